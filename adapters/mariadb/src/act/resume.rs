//! Go on receiving where the receiving thread was stopped: the quick way to a new primary behind the same relay.

use std::time::Duration;

use quorate_model::IoThread;

use super::{ActError, Source};
use crate::observe::observe;
use crate::session::{Deadline, Session};

/// Starts the receiving thread alone, if that is enough: the same relay, by GTID, and the applier never stopped. Then the
/// server asks for what follows the last transaction that it received, and the relay logs stay (they are deleted only
/// when both threads were stopped). Says whether it did; otherwise [`super::attach`] is needed.
///
/// # Errors
/// The server refuses.
pub async fn resume(session: &mut Session, source: &Source, limit: Duration) -> Result<bool, ActError> {
    let deadline = Deadline::after(limit);
    let facts = observe(session, deadline.left()).await?;
    let enough = facts.replication.as_ref().is_some_and(|replication| {
        replication.by_gtid
            && replication.applier
            && replication.io == IoThread::No
            && replication.source_port == source.port
            && !replication.io_pos.is_empty()
    });
    if enough {
        session
            .execute("go on receiving", "START SLAVE IO_THREAD", deadline.left())
            .await?;
    }
    Ok(enough)
}
