//! Asks what became of a statement whose server was lost, and gets the session its next primary meanwhile: who must send it
//! again does so in the moment of the verdict, instead of joining the queue for connections then. Who is killed meanwhile ends
//! without an answer: what became of the statement is not known yet, and it is not sent again. A statement alone cannot be
//! interrupted any more.

use std::pin::{Pin, pin};

use quorate_model::Epoch;

use super::attach::{ended, idle};
use super::backend::Backend;
use super::lost::Sent;
use super::run::gone;
use super::session::{End, Session};
use crate::core::hold::Ticket;
use crate::mysql::fleet::registry::Kill;
use crate::mysql::recover::plan::{Action, Next, Then, after};
use crate::mysql::recover::verdict::Question;
use crate::mysql::session::route::Side;

/// What came of looking for the next primary.
enum Sought {
    Found(Box<Backend>),
    /// Another look is due: there is a verdict, or a connection of an ended epoch is to be closed first.
    Again,
    /// It lets nobody in, or there is none for too long: whoever needs it says so.
    Nothing,
}

impl Session {
    /// Asks the binlog of the present primary, or of the one that comes.
    pub(super) async fn resolve(&mut self, then: Then, sent: Sent) -> Result<Next, End> {
        let question = Question {
            marker: self.state.marker,
            after: sent.seen,
            subject: then.subject,
            target: sent.target,
            epoch: sent.epoch,
            thread: sent.thread,
        };
        let split = self.split.clone();
        let mut asked = pin!(async { after(then, split.resolver.ask(question).await) });
        // A session with a pin ends here and needs no other server. Who finds no place to wait in seeks one afterwards.
        let mut ticket = if self.state.pins.none() {
            split.hold.enter()
        } else {
            None
        };
        let mut next = None;
        loop {
            self.leave_ended();
            let ready = |next: &Next| self.primary.is_some() || ticket.is_none() || !wants_server(next);
            if let Some(next) = next.take_if(|next| ready(next)) {
                return Ok(next);
            }
            if let Some(place) = ticket.as_ref().filter(|_| self.primary.is_none()) {
                match self
                    .seek_meanwhile(place, sent.epoch, asked.as_mut(), &mut next)
                    .await?
                {
                    Sought::Found(backend) => self.install(Side::Primary, *backend),
                    Sought::Again => {}
                    Sought::Nothing => ticket = None,
                }
                continue;
            }
            let Self {
                primary, replica, card, ..
            } = self;
            tokio::select! {
                biased;
                () = split.stopped.cancelled() => return Err(End::Stopped),
                Kill::Connection = card.killed() => return Err(End::Killed),
                decided = &mut asked => next = Some(decided),
                () = gone(primary.as_deref_mut()) => self.drop_backend(Side::Primary),
                () = ended(idle(replica.as_deref())) => {}
            }
        }
    }

    /// Seeks the next primary, also past the verdict if that needs one. While the epoch in which the server was lost lasts, it
    /// is not asked for another connection before the verdict: it is dying, or the place is better used by others.
    async fn seek_meanwhile(
        &self,
        place: &Ticket,
        epoch: Epoch,
        mut asked: Pin<&mut impl Future<Output = Next>>,
        next: &mut Option<Next>,
    ) -> Result<Sought, End> {
        let mut trouble = None;
        let fleet = &self.split.fleet;
        let is_due = next.is_some();
        let mut seek = pin!(async {
            if !is_due {
                fleet.past(epoch).await;
            }
            self.seek_primary(&mut trouble).await
        });
        loop {
            tokio::select! {
                biased;
                () = self.split.stopped.cancelled() => return Err(End::Stopped),
                Kill::Connection = self.card.killed() => return Err(End::Killed),
                decided = &mut asked, if next.is_none() => {
                    if !wants_server(next.insert(decided)) || fleet.view().epoch <= epoch {
                        return Ok(Sought::Again);
                    }
                }
                found = &mut seek => return Ok(found.map_or(Sought::Nothing, |backend| Sought::Found(Box::new(backend)))),
                () = ended(idle(self.replica.as_deref())) => return Ok(Sought::Again),
                () = place.expired() => return Ok(Sought::Nothing),
            }
        }
    }
}

/// Whether the session's next step is on a server.
const fn wants_server(next: &Next) -> bool {
    matches!(next, Next::Do(Action::Reattach | Action::Repeat | Action::Replay))
}
