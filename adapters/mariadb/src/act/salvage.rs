//! Apply what a replica received before it was restarted.
//!
//! By GTID, starting replication when both threads are stopped deletes all relay logs: transactions that this node
//! acknowledged, and that may exist nowhere else, would vanish. So the relay logs are first replayed by file and
//! offset, with the applier alone. The place to start is found by GTID in the files themselves: `relay-log.info` is
//! not trustworthy after a power cut.

use std::time::Duration;

use quorate_model::{Gtid, GtidSet, IoThread};

use super::relay::unapplied;
use super::{ActError, drain};
use crate::observe::{Replication, observe};
use crate::parse::groups::Group;
use crate::session::{Deadline, Session};
use crate::sql::literal;

/// What was found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Transactions that were in the relay logs but not applied; they are applied now.
    pub applied: u64,
    /// The last whole transaction in the relay logs.
    pub received: GtidSet,
    /// A transaction cut off in the middle: it was never acknowledged, and is fetched again by whoever has it.
    pub unfinished: Option<Gtid>,
}

/// Applies every whole transaction in the relay logs. Must come before replication is started after a start of the server,
/// or after both of its threads were stopped. It cannot see whether somebody was quicker and had the relay logs deleted:
/// compare [`Salvage::received`] and the applied position with what the node reported before.
/// Once it returns, the node vouches: all that it ever acknowledged is applied.
///
/// # Errors
/// The relay logs are damaged, the applier stops on an error, or the limit passes (then it is tried again).
pub async fn salvage(session: &mut Session, limit: Duration) -> Result<Salvage, ActError> {
    let deadline = Deadline::after(limit);
    let facts = observe(session, deadline.left()).await?;
    let Some(state) = facts.replication else {
        return Ok(Salvage::default());
    };
    stop_interrupted_salvage(session, &state, deadline).await?;
    if state.io != IoThread::No || (state.applier && state.by_gtid) {
        return Err(ActError::StillReplicating);
    }
    let applied = observe(session, deadline.left()).await?.applied();
    let backlog = unapplied(session, applied, deadline).await?;
    let done = Salvage {
        applied: backlog.count,
        received: backlog.received.clone(),
        unfinished: backlog.unfinished,
    };
    let Some(first) = backlog.first else { return Ok(done) };
    tracing::info!(transactions = backlog.count, from = %first.gtid, "salvaging relay logs");
    replay(session, &first, &backlog.received, deadline).await?;
    Ok(done)
}

/// A salvage that ran out of time left its applier running, by file and offset. Stopping it loses nothing: by file and
/// offset, a start deletes no relay log.
async fn stop_interrupted_salvage(
    session: &mut Session,
    state: &Replication,
    deadline: Deadline,
) -> Result<(), ActError> {
    if !state.by_gtid && state.applier {
        session
            .execute("stop an interrupted salvage", "STOP SLAVE SQL_THREAD", deadline.left())
            .await?;
    }
    Ok(())
}

async fn replay(session: &mut Session, first: &Group, until: &GtidSet, deadline: Deadline) -> Result<(), ActError> {
    let file = first
        .start
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let change = format!(
        "CHANGE MASTER TO MASTER_USE_GTID=no, RELAY_LOG_FILE={}, RELAY_LOG_POS={}",
        literal(&file),
        first.start.offset
    );
    session
        .execute("go to the first unapplied transaction", &change, deadline.left())
        .await?;
    // By file and offset, a server with several appliers crashes or stops at the torn end (seen on 10.11.19).
    session
        .execute(
            "apply one by one",
            "SET GLOBAL slave_parallel_threads=0",
            deadline.left(),
        )
        .await?;
    session
        .execute("start the applier", "START SLAVE SQL_THREAD", deadline.left())
        .await?;
    drain(session, until, deadline.left()).await?;
    session
        .execute("stop the applier", "STOP SLAVE SQL_THREAD", deadline.left())
        .await?;
    session
        .execute(
            "go back to GTID",
            "CHANGE MASTER TO MASTER_USE_GTID=slave_pos",
            deadline.left(),
        )
        .await?;
    Ok(())
}
