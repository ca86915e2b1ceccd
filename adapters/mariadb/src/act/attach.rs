//! Make the server a replica of a source.

use std::time::Duration;

use quorate_model::GtidSet;

use super::relay::unapplied;
use super::{ActError, stop_receiving};
use crate::observe::{further, observe};
use crate::secrets::Account;
use crate::session::{Deadline, Session};
use crate::sql::literal;

/// Where to replicate from: the local agent's end of a tunnel to the primary.
#[derive(Debug, Clone)]
pub struct Source {
    /// Usually `127.0.0.1`.
    pub host: String,
    /// The relay's port.
    pub port: u16,
    /// The replication account.
    pub account: Account,
}

/// What may happen to transactions that were received but not applied: attaching deletes the relay logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backlog {
    /// Refuse if there are any.
    Refuse,
    /// Somebody else holds everything up to this position (the elected primary, or a vouching member of the ack set).
    CoveredBy(GtidSet),
}

/// How often the source sends a sign of life over an idle stream, in seconds.
const HEARTBEAT_SECONDS: &str = "0.25";

/// Transactions that are applied at once: those that the primary committed as one group. A replica with one applier falls behind
/// a primary that commits in groups, and a new primary opens only when its backlog is applied; with four, 32 writers still outran it.
const APPLIERS: u32 = 16;

/// Points the server at the source and starts replication. A node whose own binlog is ahead of its replicated position
/// was primary: its binlog position then counts as replicated (`MASTER_DEMOTE_TO_SLAVE`), which is right only for
/// a history that was checked against the timeline first.
///
/// Returns as soon as replication is started; whether it connects is for [`crate::observe()`] to see.
///
/// # Errors
/// [`ActError::Unapplied`] if that would delete received transactions that nobody is known to hold.
pub async fn attach(
    session: &mut Session,
    source: &Source,
    backlog: &Backlog,
    limit: Duration,
) -> Result<(), ActError> {
    let deadline = Deadline::after(limit);
    require_no_loss(session, backlog, deadline).await?;
    session
        .execute("stop replication", "STOP ALL SLAVES", deadline.left())
        .await?;
    let facts = observe(session, deadline.left()).await?;
    let was_primary = !facts.slave_pos.covers(&facts.binlog_pos);
    let demote = if was_primary { ", MASTER_DEMOTE_TO_SLAVE=1" } else { "" };
    flush_engine(session, deadline).await?;
    let change = format!(
        "CHANGE MASTER TO MASTER_HOST={}, MASTER_PORT={}, MASTER_USER={}, MASTER_PASSWORD={}, \
         MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD={HEARTBEAT_SECONDS}, MASTER_CONNECT_RETRY=1{demote}",
        literal(&source.host),
        source.port,
        literal(&source.account.user),
        literal(source.account.password.reveal()),
    );
    session
        .execute("point replication at the source", &change, deadline.left())
        .await?;
    start(session, deadline).await
}

/// Starts replication afresh from the same source, for instance after the tunnel behind the port has moved.
///
/// # Errors
/// As [`attach`].
pub async fn repoint(session: &mut Session, backlog: &Backlog, limit: Duration) -> Result<(), ActError> {
    let deadline = Deadline::after(limit);
    require_no_loss(session, backlog, deadline).await?;
    session
        .execute("stop replication", "STOP ALL SLAVES", deadline.left())
        .await?;
    flush_engine(session, deadline).await?;
    start(session, deadline).await
}

/// Starts both threads, which are stopped.
async fn start(session: &mut Session, deadline: Deadline) -> Result<(), ActError> {
    let appliers = format!("SET GLOBAL slave_parallel_threads={APPLIERS}");
    session
        .execute("set the number of appliers", &appliers, deadline.left())
        .await?;
    session
        .execute("start replication", "START SLAVE", deadline.left())
        .await?;
    Ok(())
}

/// Before relay logs are deleted: an engine commit of something acknowledged may still be in memory only, and a restart
/// behind the gate would cut it off the binlog too. Until here the relay logs would have brought it back.
pub(super) async fn flush_engine(session: &mut Session, deadline: Deadline) -> Result<(), ActError> {
    session
        .execute("flush the engine's log", "FLUSH LOCAL ENGINE LOGS", deadline.left())
        .await?;
    Ok(())
}

/// Once both threads are stopped, starting either deletes the relay logs. So: receive no more, then compare.
pub(super) async fn require_no_loss(
    session: &mut Session,
    backlog: &Backlog,
    deadline: Deadline,
) -> Result<(), ActError> {
    let stopped = stop_receiving(session, deadline.left()).await?;
    let mut received = stopped.received;
    if !stopped.streamed {
        received = further(
            &received,
            &unapplied(session, stopped.applied.clone(), deadline).await?.received,
        );
    }
    let covered = match backlog {
        Backlog::Refuse => stopped.applied.covers(&received),
        Backlog::CoveredBy(elsewhere) => elsewhere.covers(&received),
    };
    if covered {
        Ok(())
    } else {
        Err(ActError::Unapplied {
            received,
            applied: stopped.applied,
        })
    }
}
