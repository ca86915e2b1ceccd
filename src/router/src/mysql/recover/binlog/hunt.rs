//! Looks for markers in a stream of events, and notes whatever makes their absence no proof.

use std::collections::BTreeMap;

use super::event::{Event, Gtid, Reader};
use super::tally::Tally;
use crate::mysql::recover::marker::{Marker, Target};
use crate::mysql::recover::words::Words;
use crate::mysql::wire::packet::Malformed;

/// The replication domain that everything is in.
const DOMAIN: u32 = 0;
/// Doubtful groups that are remembered one by one.
const DOUBTS_MAX: usize = 1024;
/// Tables of one doubtful group that are remembered.
const TABLES_MAX: usize = 16;

const UNANNOTATED: &str = "a transaction in the binlog does not carry its statements' texts \
                           (binlog_annotate_row_events, replicate_annotate_row_events and binlog_format=ROW must be on everywhere)";
const COMPRESSED: &str = "a statement in the binlog is compressed";
const HIDDEN: &str =
    "a trigger or a function wrote first, and its text stands in the binlog in place of the statement's";
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
    /// Whether there is more than one such group.
    pub(crate) is_repeated: bool,
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
    /// The statement whose rows come next, if it has a text.
    statement: Option<Statement>,
    current: Option<(Marker, Tally)>,
    /// What the open group has, recorded once it is committed.
    pending: Vec<(Marker, Logged)>,
    /// Statements of the open group that may hide another one.
    covers: Vec<Target>,
    /// Tables of the open group whose rows have no text.
    bare: Vec<Target>,
    /// Whether a marker, anyone's, says whose the open group is.
    is_signed: bool,
    doubts: Vec<Doubt>,
    last: u64,
}

/// A statement's text in front of its rows.
#[derive(Debug)]
struct Statement {
    is_signed: bool,
    /// The tables that it opened for writing.
    tables: Vec<Target>,
}

/// A group that may be anybody's.
#[derive(Debug)]
struct Doubt {
    seq: u64,
    why: &'static str,
    /// Only of somebody who has written one of these.
    tables: Vec<Target>,
}

impl Hunt {
    /// For these markers, each above its sequence number.
    pub(crate) fn new(wanted: impl IntoIterator<Item = (Marker, u64)>) -> Self {
        Self {
            wanted: wanted.into_iter().collect(),
            found: BTreeMap::new(),
            reader: Reader::default(),
            group: None,
            statement: None,
            current: None,
            pending: Vec::new(),
            covers: Vec::new(),
            bare: Vec::new(),
            is_signed: false,
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
                let is_signed = Marker::leading(text).is_some();
                self.is_signed |= is_signed;
                self.statement = Some(Statement {
                    is_signed,
                    tables: Vec::new(),
                });
                let marker = self.wanted_in(text);
                self.current = marker.map(|marker| (marker, Tally::of(text)));
            }
            Event::Table(table) => {
                let target = Target::named(table.name);
                match &mut self.statement {
                    Some(statement) => statement.open(target),
                    None if self.bare.len() <= TABLES_MAX => self.bare.push(target),
                    None => {}
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
            Event::CompressedQuery => self.doubt(COMPRESSED, vec![Target::ANY]),
            Event::Incident => self.doubt(INCIDENT, vec![Target::ANY]),
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

    /// Why finding nothing above `after` and below `until` would be no proof for a statement on this table.
    pub(crate) fn doubt_between(&self, after: u64, until: u64, target: Target) -> Option<&'static str> {
        let concerns = |doubt: &&Doubt| {
            let is_within = after < doubt.seq && doubt.seq < until;
            is_within && doubt.tables.iter().any(|table| target.may_be(*table))
        };
        let doubt = self.doubts.iter().find(concerns);
        // More than are remembered: the forgotten ones may be anywhere above the last remembered.
        let last = self.doubts.get(DOUBTS_MAX.saturating_sub(1));
        doubt
            .or_else(|| last.filter(|last| last.seq < until))
            .map(|doubt| doubt.why)
    }

    fn wanted_in(&self, text: &[u8]) -> Option<Marker> {
        let marker = Marker::leading(text)?;
        let after = self.wanted.get(&marker)?;
        self.group.filter(|gtid| gtid.seq > *after).map(|_| marker)
    }

    /// A group that was not committed before the next one begins never was.
    fn begin(&mut self, gtid: Gtid) {
        self.statement = None;
        self.current = None;
        self.pending.clear();
        self.covers.clear();
        self.bare.clear();
        self.is_signed = false;
        self.group = (gtid.domain == DOMAIN).then_some(gtid);
        self.last = self.group.map_or(self.last, |gtid| gtid.seq);
    }

    fn end_statement(&mut self) {
        // Statements of triggers and functions may not touch their caller's tables: whoever hides one has two.
        if let Some(statement) = self.statement.take()
            && !statement.is_signed
            && statement.tables.len() > 1
            && self.covers.len() <= TABLES_MAX
        {
            self.covers.extend(statement.tables);
        }
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
        let covers = std::mem::take(&mut self.covers);
        let bare = std::mem::take(&mut self.bare);
        // One group is one session's: a marker in it says whose the rest is.
        if !self.is_signed {
            for (why, mut tables) in [(HIDDEN, covers), (UNANNOTATED, bare)] {
                if tables.len() > TABLES_MAX {
                    tables = vec![Target::ANY];
                }
                if !tables.is_empty() {
                    self.doubt(why, tables);
                }
            }
        }
        for (marker, logged) in self.pending.drain(..) {
            match self.found.get_mut(&marker) {
                Some(found) if found.seq == gtid.seq => found.logged = None,
                Some(found) => found.is_repeated = true,
                None => {
                    let found = Found {
                        seq: gtid.seq,
                        transactional: whole && gtid.is_transactional(),
                        logged: Some(logged),
                        is_repeated: false,
                    };
                    self.found.insert(marker, found);
                }
            }
        }
    }

    fn doubt(&mut self, why: &'static str, tables: Vec<Target>) {
        let seq = self.last;
        if self.group.is_some() && self.doubts.len() < DOUBTS_MAX {
            self.doubts.push(Doubt { seq, why, tables });
        }
    }
}

impl Statement {
    fn open(&mut self, table: Target) {
        // One more than are remembered, so that they are seen to be too many.
        if self.tables.len() <= TABLES_MAX {
            self.tables.push(table);
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

#[cfg(test)]
#[path = "hunt_test.rs"]
mod tests;
