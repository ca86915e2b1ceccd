//! The question that is put to a binlog, and its answers.

use quorate_model::Epoch;

use super::marker::{Marker, Target};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A statement in autocommit mode; its result is wanted, too.
    Statement {
        /// Whether the session has `CLIENT_FOUND_ROWS`, with which the number of affected rows is not in the binlog.
        found_rows: bool,
    },
    /// Any statement of a transaction: whether its COMMIT took place.
    Transaction,
    /// A definition, which is logged as text and not as rows.
    Definition,
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    /// Whose statement.
    pub(crate) marker: Marker,
    /// The highest sequence number that the router had seen, from any session, when it sent the statement.
    pub(crate) after: u64,
    /// What was sent.
    pub(crate) subject: Subject,
    /// The table that the statement names, [`Target::of`] its text; [`Target::ANY`] for a transaction, or if the text
    /// is not at hand: then triggers of any table may make it unprovable.
    pub(crate) target: Target,
    /// The epoch in which it was sent.
    pub(crate) epoch: Epoch,
    /// The server's id of the connection that it was sent on: as long as the same primary is open, that connection must
    /// be gone before anything is final.
    pub(crate) thread: u32,
}

/// What the binlog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Committed and durable, and this was its result.
    Committed {
        /// As the server would have reported it.
        affected: u64,
        /// As the server would have reported it.
        last_insert_id: u64,
        /// Its sequence number.
        seq: u64,
    },
    /// Committed and durable, but its result cannot be told from the binlog.
    CommittedUnknownResult {
        /// Its sequence number.
        seq: u64,
        /// What cannot be told.
        why: &'static str,
    },
    /// Not committed, or without any effect; and it never will be.
    NotCommitted,
    /// Neither can be proven.
    Unprovable {
        /// What is missing.
        why: String,
    },
}
