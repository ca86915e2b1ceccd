//! Turn a drained replica into a primary whose commits wait for an acknowledgement. It stays read-only.

use std::time::Duration;

use super::attach::require_no_loss;
use super::{ActError, Backlog};
use crate::observe::{Facts, observe};
use crate::session::{Deadline, Session};

/// Stops replication and arms semi-sync, in that order: armed earlier, the applier would wait for acknowledgements of
/// what it applies; later, a write could slip through unprotected. [`super::forget_source`] belongs to it but may come
/// later: until then the server knows a source that it does not read from.
///
/// # Errors
/// [`ActError::Unapplied`] if something received is not applied; [`ActError::NotArmed`] if semi-sync is not on afterwards.
pub async fn arm(session: &mut Session, limit: Duration) -> Result<Facts, ActError> {
    let deadline = Deadline::after(limit);
    let before = observe(session, deadline.left()).await?;
    if before.replication.is_some() {
        require_no_loss(session, &Backlog::Refuse, deadline).await?;
        session
            .execute("stop replication", "STOP ALL SLAVES", deadline.left())
            .await?;
    }
    // Never switched off and on again: switching it off would confirm every waiting commit.
    if !before.semi_sync.master_enabled {
        session
            .execute(
                "arm semi-sync",
                "SET GLOBAL rpl_semi_sync_master_enabled=1",
                deadline.left(),
            )
            .await?;
    }
    let facts = observe(session, deadline.left()).await?;
    require_armed(&facts)?;
    Ok(facts)
}

/// Armed and nothing degraded.
pub(super) fn require_armed(facts: &Facts) -> Result<(), ActError> {
    if !facts.semi_sync.master_enabled {
        return Err(ActError::NotArmed {
            detail: "rpl_semi_sync_master_enabled is 0",
        });
    }
    if !facts.semi_sync.master_on {
        return Err(ActError::NotArmed {
            detail: "Rpl_semi_sync_master_status is OFF",
        });
    }
    Ok(())
}
