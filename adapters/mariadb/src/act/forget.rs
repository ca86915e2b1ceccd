//! Tidy up after a promotion.

use std::time::Duration;

use super::ActError;
use super::attach::flush_engine;
use crate::observe::observe;
use crate::session::{Deadline, Session};

/// Forgets the source and removes its relay logs on an armed primary. Not part of arming, because it syncs several files
/// and nobody has to wait for it: replication is stopped, and no start of the server starts it.
///
/// # Errors
/// The server refuses, or replication was started by somebody.
pub async fn forget_source(session: &mut Session, limit: Duration) -> Result<(), ActError> {
    let deadline = Deadline::after(limit);
    let facts = observe(session, deadline.left()).await?;
    if facts.semi_sync.master_enabled && facts.replication.is_some() {
        flush_engine(session, deadline).await?;
        session
            .execute("forget the source", "RESET SLAVE ALL", deadline.left())
            .await?;
    }
    Ok(())
}
