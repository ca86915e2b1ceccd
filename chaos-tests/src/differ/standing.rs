//! What is known of a session, and what it therefore is not asked: differences that are meant.

use super::step::Step;

/// The flag of a status: in a transaction.
const IN_TRANSACTION: u16 = 0x1;
/// Every statement is a transaction.
const AUTOCOMMIT: u16 = 0x2;
/// In a transaction that only reads.
const ONLY_READS: u16 = 0x2000;

/// Of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// It is in a transaction that only reads.
    pub(super) only_reads: bool,
    /// Whether a transaction is open only the server knows. A definition commits what was before it, and when it fails then, the
    /// error does not say so. With autocommit off and no transaction open, a statement may open one, which is seen in its end.
    doubtful: bool,
    /// Its last statement was a `SELECT` that succeeded.
    selected: bool,
    /// Its last statement was about no table: such a one leaves the warnings of the one before it, which may have been on the other
    /// connection.
    warned_before: bool,
}

impl Standing {
    /// Whether the answer to this step may differ. `reading` is whether any session is in a transaction that only reads: through the
    /// router it is on a replica, where its locks are nobody else's, and the router refuses what would be left in the connection.
    pub(super) fn excuses(&self, what: &Step, reading: bool) -> bool {
        // Rows found are those of the last SELECT of a connection, whenever that was.
        let stale = what.text() == "SELECT FOUND_ROWS()" && !self.selected;
        let stale = stale || (self.warned_before && what.asks_for_warnings());
        stale || (self.only_reads && what.leaves_traces()) || (reading && what.defines())
    }

    /// Which flags of an EOF between columns and rows may differ.
    pub(super) fn doubtful_flags(&self, what: &Step) -> u16 {
        if what.text().starts_with("HELP") {
            // It reads its tables under a transaction of its own, with autocommit whatever the session's is, and the flags are that
            // one's. The router knows the session's.
            IN_TRANSACTION | ONLY_READS | AUTOCOMMIT
        } else if self.doubtful {
            IN_TRANSACTION | ONLY_READS
        } else {
            0
        }
    }

    /// Takes up how a step ended: the flags reported last, if any were, and whether an error came.
    pub(super) fn learn(&mut self, what: &Step, status: Option<u16>, failed: bool) {
        if let Some(status) = status {
            self.only_reads = status & ONLY_READS != 0;
        }
        self.doubtful = match status {
            Some(status) => status & (AUTOCOMMIT | IN_TRANSACTION) == 0,
            None => self.doubtful || what.defines(),
        };
        self.warned_before = !failed && !what.is_about_tables();
        self.selected = !failed && matches!(what, Step::Query(sql) if sql.starts_with("SELECT"));
    }
}
