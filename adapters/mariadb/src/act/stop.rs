//! Stop receiving: half of a revocation. (The other half, closing the tunnel, is the agent's.)

use std::time::Duration;

use quorate_model::{GtidSet, IoThread};

use super::ActError;
use crate::observe::{Facts, observe};
use crate::session::{Deadline, Session};

/// How often the thread's state is read until it is `No`.
const POLL: Duration = Duration::from_millis(5);

/// The positions of a node that receives nothing any more. Final until it is attached again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Everything it received since the server started, applied or not.
    pub received: GtidSet,
    /// What is applied.
    pub applied: GtidSet,
    /// Whether the applier still runs (it is left alone, so that it drains meanwhile).
    pub applier: bool,
    /// Whether a source has been read since the server started. If not, the relay logs of an earlier life may hold more
    /// than the server knows.
    pub streamed: bool,
}

/// Stops the receiving thread and waits until it is in state *No*. *Connecting* is not stopped: it can still attach.
///
/// Cut the tunnel first, so that nobody listens on its port: the stopping replica dials its source to end the stream there,
/// which takes a second (`rpl_semi_sync_slave_kill_conn_timeout`) when the source is frozen behind an open tunnel, and
/// a few milliseconds when the connection is refused.
///
/// # Errors
/// [`ActError::StillReceiving`] past the limit, for instance because the relay disk hangs.
pub async fn stop_receiving(session: &mut Session, limit: Duration) -> Result<Stopped, ActError> {
    let deadline = Deadline::after(limit);
    session
        .execute("stop receiving", "STOP ALL SLAVES IO_THREAD", deadline.left())
        .await
        .or_else(not_replicating)?;
    loop {
        let facts = observe(session, deadline.left()).await?;
        if facts
            .replication
            .as_ref()
            .is_none_or(|replication| replication.io == IoThread::No)
        {
            return Ok(positions(&facts));
        }
        if deadline.passed() {
            return Err(ActError::StillReceiving { after: limit });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn positions(facts: &Facts) -> Stopped {
    let replication = facts.replication.as_ref();
    Stopped {
        received: facts.received(),
        applied: facts.applied(),
        applier: replication.is_some_and(|replication| replication.applier),
        streamed: replication.is_none_or(|replication| !replication.io_pos.is_empty()),
    }
}

/// "This server is not configured as a replica" is what was asked for.
fn not_replicating(error: crate::error::SqlError) -> Result<(), crate::error::SqlError> {
    const ER_BAD_SLAVE: u16 = 1200;
    if error.server_code() == Some(ER_BAD_SLAVE) {
        Ok(())
    } else {
        Err(error)
    }
}
