//! Whole transactions over a sequence of log files.

use std::path::{Path, PathBuf};

use quorate_model::{Gtid, GtidSet};

use super::LogError;
use super::event::{EventReader, Kind};

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The offset in it.
    pub offset: u64,
}

/// A transaction that is in the log as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its GTID.
    pub gtid: Gtid,
    /// Where it begins.
    pub start: Place,
}

/// What a scan of files found beside the transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Position after the last whole transaction, including what the first file says came before it.
    pub position: GtidSet,
    /// A transaction that begins but does not end: it was never acknowledged.
    pub unfinished: Option<Gtid>,
}

/// Reads the files in order and calls `on_group` for each whole transaction. The list at the head of each file counts
/// for the position of a binlog; a relay log's list is its *source's* and may be ahead, so `own_lists` is false there.
///
/// A transaction may span files (a reconnect rotates the relay log). One that is begun again replaces its torn half.
///
/// # Errors
/// A file cannot be read or is damaged.
pub fn scan(files: &[PathBuf], own_lists: bool, mut on_group: impl FnMut(&Group)) -> Result<Scan, LogError> {
    let mut position = Position::default();
    let mut open: Option<Open> = None;
    for file in files {
        let mut reader = EventReader::open(file)?;
        while let Some(event) = reader.next_event()? {
            if let Some(group) = step(&mut open, &mut position, own_lists, file, event.offset, event.kind) {
                position.pass(group.gtid);
                on_group(&group);
            }
        }
    }
    Ok(Scan {
        position: position.0.into_iter().collect(),
        unfinished: open.map(|open| open.group.gtid),
    })
}

/// A transaction whose end has not come yet.
struct Open {
    group: Group,
    standalone: bool,
}

fn step(
    open: &mut Option<Open>,
    position: &mut Position,
    own_lists: bool,
    file: &Path,
    offset: u64,
    kind: Kind,
) -> Option<Group> {
    match kind {
        Kind::Begin { gtid, standalone } => {
            let start = Place {
                file: file.to_owned(),
                offset,
            };
            *open = Some(Open {
                group: Group { gtid, start },
                standalone,
            });
            None
        }
        Kind::End => open.take().map(|open| open.group),
        Kind::Work => open.take_if(|open| open.standalone).map(|open| open.group),
        Kind::List(gtids) => {
            if own_lists {
                gtids.into_iter().for_each(|gtid| position.pass_if_higher(gtid));
            }
            None
        }
        Kind::Context | Kind::Artificial => None,
    }
}

/// The last GTID of each domain, in the order of the log.
#[derive(Debug, Default)]
struct Position(Vec<Gtid>);

impl Position {
    fn pass(&mut self, gtid: Gtid) {
        self.0.retain(|other| other.domain != gtid.domain);
        self.0.push(gtid);
    }

    fn pass_if_higher(&mut self, gtid: Gtid) {
        if self
            .0
            .iter()
            .all(|other| other.domain != gtid.domain || other.seq < gtid.seq)
        {
            self.pass(gtid);
        }
    }
}

/// The position at the end of a dead server's binlog: whatever a client was ever told is at or before it.
///
/// # Errors
/// A file cannot be read or is damaged.
pub fn binlog_end(index: &Path) -> Result<GtidSet, LogError> {
    let files = super::index::log_files(index)?;
    // A file torn before its list says nothing; the one before it then ends the log.
    for (i, _) in files.iter().enumerate().rev() {
        let tail = files.get(i..).unwrap_or_default();
        let found = scan(tail, true, |_| {})?.position;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(GtidSet::new())
}

/// The position after the last whole transaction in the relay logs; empty if there is none.
///
/// # Errors
/// A file cannot be read or is damaged.
pub fn relay_end(index: &Path) -> Result<GtidSet, LogError> {
    Ok(scan(&super::index::log_files(index)?, false, |_| {})?.position)
}
