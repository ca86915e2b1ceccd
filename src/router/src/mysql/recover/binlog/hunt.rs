//! Looks for markers in a stream of events, and notes whatever makes their absence no proof.

use std::collections::BTreeMap;

use super::event::{Event, Gtid, Reader};
use super::tally::Tally;
use crate::mysql::recover::marker::Marker;
use crate::mysql::recover::words::Words;
use crate::mysql::wire::packet::Malformed;

/// The replication domain that everything is in.
const DOMAIN: u32 = 0;
/// Doubtful groups that are remembered one by one.
const DOUBTS_MAX: usize = 256;

const UNANNOTATED: &str = "a transaction in the binlog does not carry its statements' texts \
                           (binlog_annotate_row_events, replicate_annotate_row_events and binlog_format=ROW must be on everywhere)";
const COMPRESSED: &str = "a statement in the binlog is compressed";
const INCIDENT: &str = "the binlog has a hole";

/// What was found of one marker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Sequence number of the group.
    pub(crate) seq: u64,
    /// Whether all of it was committed or nothing.
    pub(crate) transactional: bool,
    /// Its only statement; nothing if there are several.
    pub(crate) logged: Option<Logged>,
}

/// How a statement is logged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Logged {
    /// As rows.
    Rows(Tally),
    /// As text.
    Text {
        /// The error it ended with, after a part of its effect.
        error: u16,
        /// Affected rows of such a definition.
        affected: u64,
    },
}

/// One search through a binlog.
#[derive(Debug)]
pub(crate) struct Hunt {
    wanted: BTreeMap<Marker, u64>,
    found: BTreeMap<Marker, Found>,
    reader: Reader,
    group: Option<Gtid>,
    /// Whether the rows that come next have a text.
    annotated: bool,
    current: Option<(Marker, Tally)>,
    /// What the open group has, recorded once it is committed.
    pending: Vec<(Marker, Logged)>,
    doubts: Vec<(u64, &'static str)>,
    last: u64,
}

impl Hunt {
    /// For these markers, each above its sequence number.
    pub(crate) fn new(wanted: impl IntoIterator<Item = (Marker, u64)>) -> Self {
        Self {
            wanted: wanted.into_iter().collect(),
            found: BTreeMap::new(),
            reader: Reader::default(),
            group: None,
            annotated: false,
            current: None,
            pending: Vec::new(),
            doubts: Vec::new(),
            last: 0,
        }
    }

    /// Takes the next event. `cut`: only its beginning is there.
    ///
    /// # Errors
    /// It is no event.
    pub(crate) fn take(&mut self, bytes: &[u8], cut: bool) -> Result<(), Malformed> {
        match self.reader.read(bytes)? {
            Event::Gtid(gtid) => self.begin(gtid),
            Event::Annotation(text) => {
                self.annotated = true;
                let marker = self.wanted_in(text);
                self.current = marker.map(|marker| (marker, Tally::of(text)));
            }
            Event::Table(table) => {
                if !self.annotated {
                    self.doubt(UNANNOTATED);
                }
                if let Some((_, tally)) = &mut self.current {
                    tally.define(&table);
                }
            }
            Event::Rows(rows) => {
                if let Some((_, tally)) = &mut self.current {
                    tally.count(&rows, cut);
                }
                if rows.ends {
                    self.end_statement();
                }
            }
            Event::Query { text, error } => self.query(text, error),
            Event::CompressedQuery => self.doubt(COMPRESSED),
            Event::Incident => self.doubt(INCIDENT),
            Event::Commit => self.commit(true),
            Event::Other => {}
        }
        Ok(())
    }

    /// The highest sequence number seen.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// What was found of a marker.
    pub(crate) fn found(&self, marker: Marker) -> Option<&Found> {
        self.found.get(&marker)
    }

    /// Why finding nothing above `after` and below `until` would be no proof.
    pub(crate) fn doubt_between(&self, after: u64, until: u64) -> Option<&'static str> {
        let within = |seq: u64| after < seq && seq < until;
        let doubt = self.doubts.iter().find(|(seq, _)| within(*seq));
        // More than are remembered: the first forgotten one may be anywhere above the last remembered.
        let forgotten = self
            .doubts
            .get(DOUBTS_MAX.saturating_sub(1))
            .filter(|(seq, _)| *seq < until);
        doubt.or(forgotten).map(|(_, why)| *why)
    }

    fn wanted_in(&self, text: &[u8]) -> Option<Marker> {
        let marker = Marker::leading(text)?;
        let after = self.wanted.get(&marker)?;
        self.group.filter(|gtid| gtid.seq > *after).map(|_| marker)
    }

    /// A group that was not committed before the next one begins never was.
    fn begin(&mut self, gtid: Gtid) {
        self.annotated = false;
        self.current = None;
        self.pending.clear();
        self.group = (gtid.domain == DOMAIN).then_some(gtid);
        self.last = self.group.map_or(self.last, |gtid| gtid.seq);
    }

    fn end_statement(&mut self) {
        self.annotated = false;
        if let Some((marker, tally)) = self.current.take() {
            self.pending.push((marker, Logged::Rows(tally)));
        }
    }

    fn query(&mut self, text: &[u8], error: u16) {
        match text {
            b"COMMIT" => self.commit(true),
            // Only groups that could not be rolled back as a whole are logged with their end.
            b"ROLLBACK" => self.commit(false),
            _ => {
                if let Some(marker) = self.wanted_in(text) {
                    let affected = definition_affects(text);
                    self.pending.push((marker, Logged::Text { error, affected }));
                }
                if self.group.is_some_and(Gtid::is_standalone) {
                    self.commit(true);
                }
            }
        }
    }

    /// The first group with the marker counts: a session waits for the verdict before it sends anything else.
    fn commit(&mut self, whole: bool) {
        let Some(gtid) = self.group else {
            return;
        };
        for (marker, logged) in self.pending.drain(..) {
            match self.found.get_mut(&marker) {
                Some(found) if found.seq == gtid.seq => found.logged = None,
                Some(_) => {}
                None => {
                    let found = Found {
                        seq: gtid.seq,
                        transactional: whole && gtid.is_transactional(),
                        logged: Some(logged),
                    };
                    self.found.insert(marker, found);
                }
            }
        }
    }

    fn doubt(&mut self, why: &'static str) {
        let is_new = self.doubts.last().is_none_or(|(seq, _)| *seq != self.last);
        if is_new && self.group.is_some() && self.doubts.len() < DOUBTS_MAX {
            self.doubts.push((self.last, why));
        }
    }
}

/// `CREATE DATABASE` says one; other definitions say nothing that is worth more than knowing that they are done.
fn definition_affects(text: &[u8]) -> u64 {
    let mut words = Words::of(text);
    let creates = words.next().is_some_and(|word| word.is("CREATE"));
    let database = words
        .next()
        .is_some_and(|word| word.is("DATABASE") || word.is("SCHEMA"));
    u64::from(creates && database)
}
