//! What Raft tells: the agreed state, who leads, how lately a quorum said so.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_model::State;
use quorate_raft::{Leadership, Node, Role};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::info;

use super::{Core, Input};
use crate::error::Error;
use crate::machine::Event;

/// Pause before leadership is proven again.
const PROOF_PAUSE: Duration = Duration::from_millis(20);
/// A quorum of several voters is heard of more often than this.
const ALONE_AFTER: Duration = Duration::from_millis(300);

impl Core {
    pub(super) fn leadership(&mut self, now: Leadership) -> Result<(), Error> {
        match now.role {
            Role::Leader => {
                self.tasks.spawn(prove(self.node.clone(), now.term, self.back.clone()));
            }
            Role::Stopped => return Err(Error::RaftStopped),
            Role::Forming | Role::Learner | Role::Follower | Role::Candidate => {
                if self.machine.leads() {
                    info!(term = now.term, "this supervisor leads no longer");
                }
                self.feed(Event::Leadership {
                    leading: false,
                    term: now.term,
                });
            }
        }
        Ok(())
    }

    /// The proof came: from here the machine may act, if Raft did not move on meanwhile.
    pub(super) fn leading(&mut self, term: u64) {
        if !leads(&self.node, term) {
            return;
        }
        info!(term, "this supervisor leads");
        self.feed(Event::Applied(self.node.state()));
        self.feed(Event::Leadership { leading: true, term });
        self.quorum();
    }

    pub(super) fn quorum(&mut self) {
        if !self.machine.leads() {
            return;
        }
        let awake = self.wake.awake_for(Clock.now());
        let age = match self.node.quorum_acked_age() {
            Some(age) if age < ALONE_AFTER => Some(age),
            // A single voter is its own quorum, and Raft has nobody to ask.
            age => {
                if self.is_only_voter() {
                    Some(Duration::ZERO)
                } else {
                    age
                }
            }
        };
        if let Some(age) = age.filter(|age| *age < awake) {
            self.feed(Event::QuorumAcked { age });
        }
    }

    fn is_only_voter(&self) -> bool {
        self.node.members().iter().filter(|(_, _, votes)| *votes).count() == 1
    }

    pub(super) fn applied(&mut self, state: Arc<State>) -> Result<(), Error> {
        let wanted = &self.machine.settings().spec.cluster;
        if let Some(found) = state
            .spec
            .as_ref()
            .map(|spec| &spec.cluster)
            .filter(|found| *found != wanted)
        {
            return Err(Error::ForeignState {
                data_dir: self.data_dir.clone(),
                found: found.clone(),
                wanted: wanted.clone(),
            });
        }
        self.feed(Event::Applied(state));
        Ok(())
    }
}

/// Waits until a quorum confirms the leader and its state holds every entry of earlier terms.
async fn prove(node: Node, term: u64, back: mpsc::Sender<Input>) {
    while leads(&node, term) {
        if node.read_index().await.is_ok() {
            // The core is gone only at the very end.
            let _ = back.send(Input::Leading { term }).await;
            return;
        }
        sleep(PROOF_PAUSE).await;
    }
}

pub(super) fn leads(node: &Node, term: u64) -> bool {
    let leadership = node.leadership();
    let now = leadership.borrow();
    now.role == Role::Leader && now.term == term
}
