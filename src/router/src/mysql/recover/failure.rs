//! What a client is told when its statement cannot be saved.

use std::fmt;

/// An error for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The transaction is rolled back; doing it again is safe.
    Retry {
        /// Why it could not be continued.
        why: String,
    },
    /// The statement has changed nothing; doing it again is safe.
    Interrupted {
        /// What became of it.
        why: &'static str,
    },
    /// Nobody can say whether it was carried out, or how much of it.
    Unknown {
        /// What is missing.
        why: String,
    },
    /// It was carried out; its result is lost.
    ResultLost {
        /// Its sequence number.
        seq: u64,
        /// What cannot be told.
        why: &'static str,
    },
    /// State of the session is lost, with everything that was not committed.
    StateLost {
        /// Which.
        why: String,
    },
}

impl Failure {
    /// Error number and SQL state. Frameworks repeat 40001 by themselves, and never 08007 or HY000.
    pub(crate) const fn code(&self) -> (u16, &'static str) {
        match self {
            Self::Retry { .. } => (1213, "40001"),
            Self::Interrupted { .. } => (1317, "70100"),
            Self::Unknown { .. } => (1180, "08007"),
            Self::ResultLost { .. } => (1180, "HY000"),
            Self::StateLost { .. } => (1927, "70100"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { why } => write!(f, "{why}; the transaction is rolled back, try restarting transaction"),
            Self::Interrupted { why } => write!(f, "{why}; nothing was changed, it may be repeated"),
            Self::Unknown { why } => write!(f, "the outcome is unknown: {why}; check before repeating"),
            Self::ResultLost { seq, why } => write!(
                f,
                "committed with sequence number {seq}, but the result is lost: {why}; do not repeat it"
            ),
            Self::StateLost { why } => write!(
                f,
                "the server was lost, and with it what only its connection had: {why}; what was not committed is rolled back, \
                 reconnect"
            ),
        }
    }
}
