//! What can be wrong with the log file, where, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::record::RecordError;
use crate::types::RaftId;

/// The place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// A log entry, by its index.
    Entry(u64),
    /// A named value: `vote`, `committed`, `purged`, `owner`.
    Value(&'static str),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Value(name) => write!(f, "value {name}"),
        }
    }
}

/// The log could not be opened or written.
///
/// A log is never repaired by guessing: what this node has promised its peers would be unknown. The remedy is always
/// to set the folder aside and to rejoin with an empty one, under a new id.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("cannot open the Raft log {}; stop the process that holds it, or check its owner and mode", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// The file's pages do not verify.
    #[error(
        "the Raft log {} is damaged at {place}; move the data folder aside and start with an empty one: this \
         supervisor rejoins under a new id",
        path.display()
    )]
    Pages {
        /// The file.
        path: PathBuf,
        /// The first record that does not verify, or that none is affected.
        place: String,
        /// Why.
        source: Box<redb::Error>,
    },
    /// A record does not verify.
    #[error(
        "the Raft log {} is damaged at {position}; move the data folder aside and start with an empty one: this \
         supervisor rejoins under a new id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which record.
        position: Position,
        /// What is wrong with it.
        source: RecordError,
    },
    /// Entries are missing in the middle, or in front of the first.
    #[error(
        "the Raft log {} has entry {found} where entry {expected} belongs; move the data folder aside and start with \
         an empty one: this supervisor rejoins under a new id",
        path.display()
    )]
    Hole {
        /// The file.
        path: PathBuf,
        /// The index that is missing.
        expected: u64,
        /// The index found instead.
        found: u64,
    },
    /// The log belongs to another id.
    #[error(
        "the Raft log {} belongs to id {found}, the identity file says {expected}; put the right disk back, or move \
         the data folder aside and start with an empty one",
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whom the identity file names.
        expected: RaftId,
        /// Whom the log names.
        found: RaftId,
    },
    /// The identity is there but the log is not.
    #[error(
        "{} is missing although this disk has an identity; put the file back, or move the data folder aside and \
         start with an empty one: this supervisor rejoins under a new id",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A write failed; nothing later was written either.
    #[error("cannot write the Raft log {}; check the disk and its free space, then restart", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// The writer thread could not be started.
    #[error("cannot start the log's writer thread")]
    Thread(#[source] io::Error),
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        Self::other(error)
    }
}
