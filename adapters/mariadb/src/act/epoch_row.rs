//! The first transaction of an epoch. Its acknowledgement proves that the new ack set works, before any client writes.

use std::time::Duration;

use quorate_model::{Epoch, Gtid, GtidSet, NodeId, OperationId};

use super::ActError;
use super::arm::require_armed;
use crate::error::SqlError;
use crate::observe::observe;
use crate::session::{Deadline, Session, cell};
use crate::sql::literal;

const OPERATION: &str = "write the epoch row";

/// What the row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochRow {
    /// The new epoch.
    pub epoch: Epoch,
    /// The operation that began it.
    pub operation: OperationId,
    /// Its primary.
    pub node: NodeId,
    /// Where the epoch before it ended.
    pub previous: GtidSet,
}

/// Writes the row and waits until another node acknowledged it; returns its GTID. Works while the server is read-only.
/// Writing it again is a new transaction with a new acknowledgement, so a retry proves as much as the first try.
///
/// # Errors
/// [`SqlError::Timeout`] while no replica acknowledges: the commit goes on waiting, this session is given up.
pub async fn write_epoch_row(session: &mut Session, row: &EpochRow, limit: Duration) -> Result<Gtid, ActError> {
    let deadline = Deadline::after(limit);
    require_armed(&observe(session, deadline.left()).await?)?;
    // Never a GTID that this server gave before: its unacknowledged tail may have been cut off, and live on elsewhere.
    let first = row.epoch.first_seq();
    if row.previous.seq(0).is_none_or(|last| last < first) {
        let number = format!("SET SESSION gtid_seq_no={first}");
        session.execute(OPERATION, &number, deadline.left()).await?;
    }
    let sql = format!(
        "INSERT INTO quorate.epoch (epoch, operation, node, previous_gtid) VALUES ({}, {}, {}, {}) \
         ON DUPLICATE KEY UPDATE attempts = attempts + 1",
        row.epoch,
        literal(row.operation.as_str()),
        literal(row.node.as_str()),
        literal(&row.previous.to_string()),
    );
    session.execute(OPERATION, &sql, deadline.left()).await?;
    let answer = session
        .row("read the epoch row's GTID", "SELECT @@last_gtid", deadline.left())
        .await?;
    let text: String = cell(&answer, 0).unwrap_or_default();
    let gtid = text.parse().map_err(|_| SqlError::Unexpected {
        operation: OPERATION,
        detail: format!("GTID `{text}`"),
    })?;
    // Acknowledged by nobody would have counted here and switched the status off.
    require_armed(&observe(session, deadline.left().max(Duration::from_millis(100))).await?)?;
    Ok(gtid)
}
