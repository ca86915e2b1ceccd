//! Pure readers of what the server writes: its version line, its binlog and relay-log files, its index files.

pub mod event;
pub mod groups;
pub mod index;
pub mod version;

use std::io;
use std::path::PathBuf;

/// A log file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It does not start like a binlog.
    #[error("{} is no binlog or relay log; if it is encrypted, this node cannot be salvaged and must be rebuilt", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// A whole event whose content makes no sense.
    #[error("{} is damaged at offset {offset}: {detail}; rebuild this node", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        detail: &'static str,
    },
}
