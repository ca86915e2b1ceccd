//! What is known of a session, and what it therefore is not asked: differences that are meant.

use super::step::Step;

/// The flag of a status: in a transaction.
pub(super) const IN_TRANSACTION: u16 = 0x1;
/// Every statement is a transaction.
const AUTOCOMMIT: u16 = 0x2;
/// In a transaction that only reads.
pub(super) const ONLY_READS: u16 = 0x2000;

/// Of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// It is in a transaction that only reads.
    pub(super) only_reads: bool,
    /// Whether a transaction is open only the server knows: a definition commits what was before it, and when it fails then, the
    /// error does not say so.
    doubtful: bool,
    /// Autocommit is off and no transaction is open: whether the next statement opens one is seen in its end.
    between: bool,
    /// Its last statement was a `SELECT` that succeeded.
    selected: bool,
}

impl Standing {
    /// Whether the answer to this step may differ. `reading` is whether any session is in a transaction that only reads: through the
    /// router it is on a replica, where its locks are nobody else's, and the router refuses what would be left in the connection.
    pub(super) fn excuses(&self, what: &Step, reading: bool) -> bool {
        // Rows found are those of the last SELECT of a connection, whenever that was.
        let stale = what.text() == "SELECT FOUND_ROWS()" && !self.selected;
        stale || (self.only_reads && what.leaves_traces()) || (reading && what.defines())
    }

    /// Whether the flags of a transaction in an EOF between columns and rows may differ.
    pub(super) fn is_doubtful(&self, what: &Step) -> bool {
        // HELP reads its tables under a transaction of its own, whose flags are the ones of its EOF.
        self.doubtful || self.between || what.text().starts_with("HELP")
    }

    /// Takes up how a step ended: the flags reported last, if any were, and whether an error came.
    pub(super) fn learn(&mut self, what: &Step, status: Option<u16>, failed: bool) {
        if let Some(status) = status {
            self.only_reads = status & ONLY_READS != 0;
            self.between = status & (AUTOCOMMIT | IN_TRANSACTION) == 0;
        }
        self.doubtful = status.is_none() && (self.doubtful || what.defines());
        self.selected = !failed && matches!(what, Step::Query(sql) if sql.starts_with("SELECT"));
    }
}
