//! What can fail when talking SQL to the server, shared by every verb.
//!
//! Other operation families keep their errors beside them: [`crate::install::InstallError`],
//! [`crate::process::ProcessError`], [`crate::act::ActError`], [`crate::parse::LogError`].

use std::path::PathBuf;
use std::time::Duration;

/// A connection or a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The socket refused us, or the server refused the account.
    #[error("cannot open an agent session on {}; check that mariadbd runs and that the agent's password file matches the one used at init", socket.display())]
    Connect {
        /// The server's unix socket.
        socket: PathBuf,
        /// What the driver saw.
        #[source]
        source: mysql_async::Error,
    },
    /// Nobody answered in time.
    #[error("no agent session on {} within {after:?}; the server is starting, frozen or overloaded", socket.display())]
    ConnectTimeout {
        /// The server's unix socket.
        socket: PathBuf,
        /// The limit given by the caller.
        after: Duration,
    },
    /// The server answered with an error, or the connection broke.
    #[error("the server refused to {operation}")]
    Query {
        /// What we wanted, in words.
        operation: &'static str,
        /// What the driver saw.
        #[source]
        source: mysql_async::Error,
    },
    /// The statement was still running when its limit passed. It was not killed: a waiting commit must never be.
    #[error("no answer within {after:?} to: {operation}; the statement was left alone, its session is given up")]
    Timeout {
        /// What we wanted, in words.
        operation: &'static str,
        /// The limit given by the caller.
        after: Duration,
    },
    /// The session gave up an earlier statement and cannot be used again.
    #[error("this session gave up an earlier statement; open a new one to {operation}")]
    Broken {
        /// What we wanted, in words.
        operation: &'static str,
    },
    /// What was received may not survive a power cut, so no position is reported.
    #[error("the relay logs cannot be made durable; check the disk of the data directory")]
    NotDurable(#[source] std::io::Error),
    /// The answer did not have the form that 10.11 documents.
    #[error("unexpected answer when asked to {operation}: {detail}; is this a MariaDB 10.11 server?")]
    Unexpected {
        /// What we wanted, in words.
        operation: &'static str,
        /// What was missing or malformed.
        detail: String,
    },
}

impl SqlError {
    /// The server's own error number, when it was the server that refused.
    #[must_use]
    pub fn server_code(&self) -> Option<u16> {
        match self {
            Self::Connect { source, .. } | Self::Query { source, .. } => match source {
                mysql_async::Error::Server(error) => Some(error.code),
                _ => None,
            },
            Self::ConnectTimeout { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::NotDurable(_)
            | Self::Unexpected { .. } => None,
        }
    }

    /// Whether the limit passed before the server answered.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::ConnectTimeout { .. })
    }
}
