//! Let clients write.

use std::time::Duration;

use super::ActError;
use super::arm::require_armed;
use crate::observe::observe;
use crate::session::{Deadline, Session};

/// Whether the server's events fire. Exactly one node of a cluster may run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// The scheduler stays as it is at boot: off.
    Off,
    /// The scheduler runs on this primary.
    On,
}

/// Opens an armed primary for writes. Refuses while semi-sync is off: a commit would be confirmed unprotected.
///
/// # Errors
/// [`ActError::NotArmed`], or the server refuses.
pub async fn open_writes(session: &mut Session, events: Events, limit: Duration) -> Result<(), ActError> {
    let deadline = Deadline::after(limit);
    require_armed(&observe(session, deadline.left()).await?)?;
    session
        .execute("open writes", "SET GLOBAL read_only=0", deadline.left())
        .await?;
    if events == Events::On {
        session
            .execute(
                "start the event scheduler",
                "SET GLOBAL event_scheduler=ON",
                deadline.left(),
            )
            .await?;
    }
    Ok(())
}
