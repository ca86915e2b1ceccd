//! An open transaction as it was sent, so that it can be replayed on another server, and what forbids it.
//!
//! A replay is only as good as its proof: each statement's reply must have the checksum that the client has seen. Then
//! the client cannot tell the difference, whatever `NOW()` or `RAND()` did in between; else it is told to start again.

use std::fmt;

use bytes::Bytes;

use super::failure::Failure;
use super::marker::Mark;

/// Default for the bytes of one transaction that are kept.
pub(crate) const TRANSACTION_BYTES: usize = 1024 * 1024;

/// What a kept statement costs beside its text.
const STATEMENT_OVERHEAD: usize = 64;

/// One transaction's statements, in order. Also an empty one, while `autocommit` is off and nothing was sent yet.
#[derive(Debug)]
pub(crate) struct TransactionLog {
    bytes_max: usize,
    bytes: usize,
    statements: Vec<Logged>,
    obstacle: Option<Obstacle>,
    wrote_marked: bool,
    wrote_unmarked: bool,
}

/// One statement with its complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    /// The command's payload as the client sent it, with the router's own statement ids.
    pub(crate) command: Bytes,
    /// Its reply; none for commands without one, such as `COM_STMT_SEND_LONG_DATA`.
    pub(crate) reply: Option<u128>,
}

/// A command whose reply is complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completed<'a> {
    /// As in [`Logged::command`].
    pub(crate) command: &'a [u8],
    /// As in [`Logged::reply`].
    pub(crate) reply: Option<u128>,
    /// How it shows in the binlog, if it may write.
    pub(crate) write: Option<Mark>,
    /// Whether it begins a transaction, and ends one that was open.
    pub(crate) begins: bool,
    /// Whether its reply carried a GTID: something is committed.
    pub(crate) committed: bool,
    /// Whether the server says that a transaction is open now.
    pub(crate) open: bool,
}

/// Why a transaction cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Longer than what is kept.
    TooLong {
        /// How much that is.
        bytes_max: usize,
    },
    /// A part was committed by itself: a table without transactions, or a procedure with its own COMMIT.
    PartCommitted,
    /// Something in it cannot be done twice.
    Unrepeatable(&'static str),
}

impl TransactionLog {
    /// An empty log that keeps so many bytes.
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            statements: Vec::new(),
            obstacle: None,
            wrote_marked: false,
            wrote_unmarked: false,
        }
    }

    /// Takes a command whose reply is complete. Commands outside a transaction leave the log empty.
    pub(crate) fn completed(&mut self, done: Completed<'_>) {
        if done.begins || !done.open {
            self.reset();
        } else if done.committed {
            self.obstruct(Obstacle::PartCommitted);
        }
        if !done.open {
            return;
        }
        match done.write {
            Some(Mark::Rows) => self.wrote_marked = true,
            Some(Mark::Text | Mark::None) => self.wrote_unmarked = true,
            None => {}
        }
        self.keep(done);
    }

    /// Something in the open transaction forbids its replay. The first reason stays.
    pub(crate) fn obstruct(&mut self, obstacle: Obstacle) {
        self.obstacle.get_or_insert(obstacle);
        self.statements = Vec::new();
        self.bytes = 0;
    }

    /// The transaction has ended.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    /// What has to be sent again before the command in flight.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn replay(&self) -> Result<&[Logged], Obstacle> {
        self.obstacle.map_or(Ok(&self.statements), Err)
    }

    /// Compares the reply of a replayed statement.
    ///
    /// # Errors
    /// What the client is told if it is another one.
    pub(crate) fn verify(&self, index: usize, reply: u128) -> Result<(), Failure> {
        match self.statements.get(index).map(|logged| logged.reply) {
            Some(Some(seen)) if seen == reply => Ok(()),
            Some(None) => Ok(()),
            Some(Some(_)) | None => Err(Failure::Retry {
                why: format!(
                    "statement {} of the transaction gave another result on the new primary",
                    index.saturating_add(1)
                ),
            }),
        }
    }

    /// Whether anything in it may have written.
    pub(crate) const fn wrote(&self) -> bool {
        self.wrote_marked || self.wrote_unmarked
    }

    /// Whether its rows can be found in the binlog if it was committed.
    pub(crate) const fn wrote_marked(&self) -> bool {
        self.wrote_marked
    }

    /// Whether it may have rows in the binlog without the marker.
    pub(crate) const fn wrote_unmarked(&self) -> bool {
        self.wrote_unmarked
    }

    /// Whether nothing was sent in it yet.
    pub(crate) const fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.obstacle.is_none()
    }

    fn keep(&mut self, done: Completed<'_>) {
        if self.obstacle.is_some() {
            return;
        }
        let cost = done.command.len().saturating_add(STATEMENT_OVERHEAD);
        self.bytes = self.bytes.saturating_add(cost);
        if self.bytes > self.bytes_max {
            let bytes_max = self.bytes_max;
            return self.obstruct(Obstacle::TooLong { bytes_max });
        }
        self.statements.push(Logged {
            command: Bytes::copy_from_slice(done.command),
            reply: done.reply,
        });
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes_max } => write!(f, "it is longer than the {bytes_max} bytes that are kept"),
            Self::PartCommitted => f.write_str("a part of it was committed by itself"),
            Self::Unrepeatable(what) => write!(f, "{what} cannot be repeated"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Completed<'static> = Completed {
        command: b"\x03SELECT NOW()",
        reply: Some(7),
        write: None,
        begins: false,
        committed: false,
        open: true,
    };
    const BEGIN: Completed<'static> = Completed {
        command: b"\x03BEGIN",
        begins: true,
        ..READ
    };
    const WRITE: Completed<'static> = Completed {
        command: b"\x03UPDATE t SET v = 1",
        write: Some(Mark::Rows),
        ..READ
    };

    fn log(completed: &[Completed<'_>]) -> TransactionLog {
        let mut log = TransactionLog::new(TRANSACTION_BYTES);
        completed.iter().for_each(|done| log.completed(*done));
        log
    }

    fn commands(log: &TransactionLog) -> Vec<&[u8]> {
        log.replay().unwrap().iter().map(|logged| &logged.command[..]).collect()
    }

    /// Scenario 67: `NOW()`, `RAND()`, `UUID()`, `@@server_id` are told by their results.
    #[test]
    fn a_replay_goes_on_only_with_the_same_results() {
        let log = log(&[BEGIN, READ, WRITE]);
        assert_eq!(commands(&log), [BEGIN.command, READ.command, WRITE.command]);
        assert_eq!(log.verify(1, 7), Ok(()));
        let failure = log.verify(1, 8).unwrap_err();
        assert_eq!(failure.code(), (1213, "40001"));
        assert!(failure.to_string().contains("statement 2"), "{failure}");
        assert!(log.verify(3, 7).is_err());
    }

    #[test]
    fn commands_without_a_reply_are_kept_and_not_compared() {
        let piece = Completed { reply: None, ..READ };
        let log = log(&[BEGIN, piece]);
        assert_eq!(log.verify(1, 0), Ok(()));
    }

    /// Scenario 66: COMMIT, ROLLBACK and what commits by itself leave nothing behind.
    #[test]
    fn the_end_of_a_transaction_empties_the_log() {
        let end = Completed {
            committed: true,
            open: false,
            ..READ
        };
        let ended = log(&[BEGIN, WRITE, end]);
        assert!(ended.is_empty() && !ended.wrote());
        // BEGIN within a transaction commits it and begins another.
        let again = Completed {
            committed: true,
            ..BEGIN
        };
        let second = log(&[BEGIN, WRITE, again]);
        assert_eq!(commands(&second), [BEGIN.command]);
        assert!(!second.wrote());
        // Without BEGIN, while autocommit is off.
        assert_eq!(commands(&log(&[WRITE])), [WRITE.command]);
    }

    #[test]
    fn a_part_that_is_committed_by_itself_forbids_a_replay() {
        let apart = Completed {
            committed: true,
            ..WRITE
        };
        assert_eq!(log(&[BEGIN, apart]).replay(), Err(Obstacle::PartCommitted));
        let mut obstructed = log(&[BEGIN, apart, WRITE]);
        obstructed.obstruct(Obstacle::Unrepeatable("LOAD DATA LOCAL"));
        assert_eq!(obstructed.replay(), Err(Obstacle::PartCommitted));
        assert!(obstructed.wrote() && !obstructed.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let mut log = TransactionLog::new(200);
        log.completed(BEGIN);
        log.completed(WRITE);
        assert!(log.replay().is_ok());
        log.completed(WRITE);
        assert_eq!(log.replay(), Err(Obstacle::TooLong { bytes_max: 200 }));
        assert_eq!((log.statements.capacity(), log.bytes), (0, 0));
        assert!(log.wrote_marked(), "its COMMIT can still be resolved");
        log.reset();
        assert!(log.is_empty() && log.bytes_max == 200);
    }
}
