//! What can fail about the server's process.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Exit;
use crate::error::SqlError;

/// The server could not be started, reached or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The socket's path is longer than the kernel accepts.
    #[error("the socket path {} is too long (107 bytes at most); use a shorter directory", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
    },
    /// The program could not be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot signal mariadbd")]
    Signal(#[source] io::Error),
    /// It ended before it was ready.
    #[error("mariadbd did not come up: {exit}; its error log {} ends with: {tail}", log.display())]
    DiedAtStart {
        /// How.
        exit: Exit,
        /// Its error log.
        log: PathBuf,
        /// The log's last errors.
        tail: String,
    },
    /// It is still starting.
    #[error("mariadbd was not ready within {after:?} (crash recovery may take longer); see {}", log.display())]
    NotReady {
        /// The limit given by the caller.
        after: Duration,
        /// Its error log.
        log: PathBuf,
        /// What the last attempt to connect met.
        #[source]
        source: Option<Box<SqlError>>,
    },
    /// It runs on although it was killed: stuck in the kernel, probably on a dead disk.
    #[error("mariadbd survived SIGKILL for {after:?}; it hangs in the kernel, look at the disk")]
    Unkillable {
        /// The limit given by the caller.
        after: Duration,
    },
}

impl ProcessError {
    /// Whether the server refuses to start because it cannot truncate an unacknowledged transaction that is followed by
    /// one on a non-transactional table. Only a rebuild helps.
    #[must_use]
    pub fn cannot_truncate(&self) -> bool {
        matches!(self, Self::DiedAtStart { tail, .. } if tail.contains("Cannot truncate") || tail.contains("cannot be truncated"))
    }
}
