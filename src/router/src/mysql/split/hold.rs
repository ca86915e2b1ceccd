//! Holds a session until there is an open primary for it.

use std::pin::pin;

use super::attach::{ended, idle};
use super::backend::Backend;
use super::session::{End, Session};
use crate::core::hold::Ticket;
use crate::mysql::auth::server_error::ServerError;
use crate::mysql::fleet::registry::Kill;

/// How a wait for a primary ends.
pub(super) enum Held {
    /// With a connection, or with what the primary says to the login.
    Answered(Result<Box<Backend>, ServerError>),
    /// The session may wait no longer.
    Expired,
    /// Somebody killed the session or its statement.
    Killed(Kill),
}

impl Session {
    /// Seeks a primary for as long as the session may wait.
    pub(super) async fn hold(&mut self, ticket: &Ticket, trouble: &mut Option<String>) -> Result<Held, End> {
        loop {
            self.leave_ended();
            let mut seek = pin!(self.seek_primary(trouble));
            tokio::select! {
                biased;
                kill = self.card.killed() => return Ok(Held::Killed(kill)),
                answered = &mut seek => return Ok(Held::Answered(answered.map(Box::new))),
                () = ticket.expired() => return Ok(Held::Expired),
                () = ended(idle(self.replica.as_deref())) => {}
                () = self.split.stopped.cancelled() => return Err(End::Stopped),
            }
        }
    }
}
