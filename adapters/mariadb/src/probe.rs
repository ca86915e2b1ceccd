//! Write probes. A server with a full or hanging disk still answers `SELECT 1`; it does not still write.
//!
//! A probe that hangs is kept and asked again, so that a stuck server never collects more than one of ours.

use std::time::Duration;

use tokio::time::timeout;

use crate::connect::Connector;
use crate::error::SqlError;
use crate::session::{Deadline, Pending, Session, cell};

/// What a probe writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// This node's disk: a transaction that is not logged and needs nobody's acknowledgement. Works on any node.
    Disk,
    /// The whole commit path: logged, acknowledged, seen by the replicas. Only on an armed primary.
    CommitPath {
        /// The primary's epoch.
        epoch: u64,
    },
    /// One more logged transaction, on a row of its own: the acknowledgement of a later transaction covers the earlier ones. A replica
    /// that reconnects does not acknowledge again what it received before its connection broke.
    Nudge {
        /// The primary's epoch.
        epoch: u64,
        /// Its row; not 1, which is the heartbeat's.
        row: u8,
    },
}

/// A probe's outcome.
#[derive(Debug)]
pub enum Beat {
    /// The write is durable (and acknowledged, on the commit path).
    Written,
    /// It is still under way.
    Hanging,
    /// The server refused it; the next beat starts afresh.
    Failed(SqlError),
}

type Outcome = Result<Session, SqlError>;

/// Writes a beat at a time on a session of its own.
pub struct WriteProbe {
    connector: Connector,
    target: Target,
    session: Option<Session>,
    pending: Option<Pending<Outcome>>,
}

impl WriteProbe {
    /// A probe that has not written yet.
    #[must_use]
    pub const fn new(connector: Connector, target: Target) -> Self {
        Self {
            connector,
            target,
            session: None,
            pending: None,
        }
    }

    /// Writes `beat` (the caller's clock, in any unit), or goes on waiting for the previous one.
    pub async fn beat(&mut self, beat: u64, limit: Duration) -> Beat {
        let mut pending = match self.pending.take() {
            Some(pending) => pending,
            None => Box::pin(write(self.connector.clone(), self.session.take(), self.target, beat)),
        };
        match timeout(limit, &mut pending).await {
            Ok(Ok(session)) => {
                self.session = Some(session);
                Beat::Written
            }
            Ok(Err(error)) => Beat::Failed(error),
            Err(_) => {
                self.pending = Some(pending);
                Beat::Hanging
            }
        }
    }
}

impl std::fmt::Debug for WriteProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteProbe")
            .field("target", &self.target)
            .field("hanging", &self.pending.is_some())
            .finish_non_exhaustive()
    }
}

/// Bounds a statement whose patience is the caller's: beats are polled, the statement itself is never given up.
const STATEMENT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// Opening a session is bounded on its own: a refused connection must not count as a hanging write.
const CONNECT_MAX: Duration = Duration::from_secs(5);

async fn write(connector: Connector, session: Option<Session>, target: Target, beat: u64) -> Outcome {
    let mut session = match session {
        Some(session) => session,
        None => open(&connector, target).await?,
    };
    let sql = match target {
        Target::Disk => format!("REPLACE INTO quorate.probe (id, beat) VALUES (1, {beat})"),
        Target::CommitPath { epoch } => {
            format!("REPLACE INTO quorate.heartbeat (id, epoch, beat) VALUES (1, {epoch}, {beat})")
        }
        Target::Nudge { epoch, row } => {
            format!("REPLACE INTO quorate.heartbeat (id, epoch, beat) VALUES ({row}, {epoch}, {beat})")
        }
    };
    session.execute("write a probe row", &sql, STATEMENT_MAX).await?;
    Ok(session)
}

async fn open(connector: &Connector, target: Target) -> Outcome {
    let deadline = Deadline::after(CONNECT_MAX);
    let mut session = connector.connect(deadline.left()).await?;
    if target == Target::Disk {
        session
            .execute(
                "keep the probe out of the binlog",
                "SET SESSION sql_log_bin=0",
                deadline.left(),
            )
            .await?;
    }
    Ok(session)
}

/// The newest heartbeat that this node has applied: `(epoch, beat)`. The lag is the reader's clock minus `beat`.
///
/// # Errors
/// No answer within the limit.
pub async fn newest_heartbeat(session: &mut Session, limit: Duration) -> Result<Option<(u64, u64)>, SqlError> {
    let sql = "SELECT epoch, beat FROM quorate.heartbeat WHERE id = 1";
    let rows = session.rows("read the heartbeat", sql, limit).await?;
    Ok(rows.first().and_then(|row| Some((cell(row, 0)?, cell(row, 1)?))))
}
