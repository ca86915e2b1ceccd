//! Freeze commits for a handover: after it, nothing is committed or acknowledged, so the position is final.
//!
//! Unlike `read_only=1` it does not wait for long statements. It does wait behind a commit that waits for its
//! acknowledgement, so it has a limit that the server itself enforces: a request left waiting would hold up every commit
//! behind it.

use std::time::Duration;

use quorate_model::GtidSet;

use super::ActError;
use crate::connect::Connector;
use crate::error::SqlError;
use crate::session::{Deadline, Session, cell};

/// What the answer may take beyond the server's own limit.
const ANSWER_SLACK: Duration = Duration::from_millis(500);

/// Frozen commits. They thaw when this is dropped, because the server then loses the session that holds them.
#[derive(Debug)]
pub struct Frozen {
    session: Session,
    position: GtidSet,
}

impl Frozen {
    /// Everything that was ever acknowledged is at or before it.
    #[must_use]
    pub const fn position(&self) -> &GtidSet {
        &self.position
    }

    /// Lets commits go on.
    ///
    /// # Errors
    /// The server did not confirm; the session is closed all the same, which thaws it.
    pub async fn thaw(mut self, limit: Duration) -> Result<(), SqlError> {
        let deadline = Deadline::after(limit);
        self.session
            .execute("thaw commits", "BACKUP STAGE END", deadline.left())
            .await?;
        self.session.close(deadline.left()).await;
        Ok(())
    }
}

/// Freezes commits, on a session of its own, and reads the position.
///
/// # Errors
/// [`ActError::NotFrozen`] when the limit passes first: commits then go on as before.
pub async fn freeze(connector: &Connector, limit: Duration) -> Result<Frozen, ActError> {
    let deadline = Deadline::after(limit);
    let mut session = connector.connect(deadline.left()).await?;
    match block(&mut session, deadline).await {
        Ok(position) => Ok(Frozen { session, position }),
        Err(error) => {
            // Closing the session releases whatever stage it had reached.
            session.close(ANSWER_SLACK).await;
            let waited = error.is_timeout() || matches!(error.server_code(), Some(1205 | 1969));
            Err(if waited {
                ActError::NotFrozen { after: limit }
            } else {
                error.into()
            })
        }
    }
}

async fn block(session: &mut Session, deadline: Deadline) -> Result<GtidSet, SqlError> {
    let seconds = deadline.left().as_secs_f64().max(0.01);
    let bounded = format!("SET SESSION max_statement_time={seconds:.3}");
    session.execute("bound the freeze", &bounded, deadline.left()).await?;
    for stage in ["START", "BLOCK_COMMIT"] {
        let sql = format!("BACKUP STAGE {stage}");
        session
            .execute("freeze commits", &sql, deadline.left() + ANSWER_SLACK)
            .await?;
    }
    let row = session
        .row(
            "read the frozen position",
            "SELECT @@gtid_binlog_pos",
            deadline.left() + ANSWER_SLACK,
        )
        .await?;
    let text: String = cell(&row, 0).unwrap_or_default();
    text.parse().map_err(|_| SqlError::Unexpected {
        operation: "read the frozen position",
        detail: text,
    })
}
