//! After the storm: the tier must come back by itself, with everything that was promised.

use quorate_model::{IoThread, Phase};
use quorate_supervisor::machine::Request;

use super::clock::Micros;
use super::event::What;
use super::world::World;

const LOOK: Micros = 250_000;
/// Longest way back (I18).
const BOUND: Micros = 40_000_000;

impl World {
    pub(crate) fn mark_progress(&mut self) {
        for client in &mut self.clients {
            client.answers = 0;
        }
    }

    /// Looks whether the run may end.
    pub(crate) fn check(&mut self) {
        self.after(LOOK, What::Check);
        let Some(healed) = self.healed else { return };
        if self.raft.agreed().paused.is_some() {
            self.ask(&Request::Resume {
                why: "the storm is over".to_owned(),
            });
            return;
        }
        match self.unfinished() {
            None => {
                self.done = true;
                self.check_history();
            }
            Some(why) if self.now - healed > BOUND => {
                self.breach("I18", format!("{} s after the last fault: {why}", BOUND / 1_000_000));
            }
            Some(_) => {}
        }
    }

    /// Transactions that the primary does not know: this node needs a rebuild.
    fn diverged(&self, at: usize, primary: usize) -> bool {
        let ours = &self.nodes[at].disk;
        let theirs = &self.nodes[primary].disk;
        ours.everything()
            .take_while(|txn| txn.seq <= theirs.end())
            .any(|txn| theirs.find(txn.seq).map(|other| other.uid) != Some(txn.uid))
    }

    fn unfinished(&mut self) -> Option<String> {
        let state = self.raft.agreed().clone();
        let Some(primary) = state.primary.as_ref().and_then(|id| self.node_of(id)) else {
            return Some(self.words("no primary"));
        };
        if state.phase != Phase::Open {
            return Some(self.words(&format!("epoch {} is {:?}", state.epoch, state.phase)));
        }
        let mut diverged = 0;
        for at in (0..self.nodes.len()).filter(|at| *at != primary) {
            if self.diverged(at, primary) {
                // An old primary that is not restarted yet still has its unacknowledged tail.
                let gated = self.nodes[at]
                    .server
                    .as_ref()
                    .is_some_and(|server| server.answering && !server.armed);
                if !gated {
                    return Some(self.words(&format!("m{} is not restarted yet", at + 1)));
                }
                if !self.nodes[at].disk.bystander {
                    self.breach(
                        "rejoin",
                        format!("m{} diverged, though it was never fed outside the ack set", at + 1),
                    );
                }
                diverged += 1;
                continue;
            }
            let fed = self.nodes[at].stream.source == Some(primary)
                && self.nodes[at]
                    .server
                    .as_ref()
                    .is_some_and(|server| server.io == IoThread::Yes);
            if !fed {
                return Some(self.words(&format!("m{} is not fed by m{}", at + 1, primary + 1)));
            }
            if !state.ack_set.contains_key(&self.nodes[at].id) {
                return Some(self.words(&format!("m{} is not in the ack set", at + 1)));
            }
            let old = self.now.saturating_sub(1_000_000);
            let promised = self.oracle.promised.iter().filter(|promise| promise.at < old);
            let missing = promised.rev().take(200).find(|promise| {
                self.nodes[at]
                    .disk
                    .find(promise.seq)
                    .is_none_or(|txn| txn.uid != promise.uid)
            });
            if let Some(missing) = missing {
                return Some(self.words(&format!("m{} lacks the acknowledged write {}", at + 1, missing.seq)));
            }
        }
        if diverged + 1 >= self.nodes.len() {
            return None;
        }
        let idle = self.clients.iter().position(|client| client.answers < 2);
        if let Some(idle) = idle {
            return Some(self.words(&format!("client {idle} gets no answers")));
        }
        let lost = self.oracle.promised.iter().find(|promise| {
            self.nodes[primary]
                .disk
                .find(promise.seq)
                .is_none_or(|txn| txn.uid != promise.uid)
        });
        if let Some(lost) = lost.copied() {
            self.breach("I5", format!("the acknowledged write {} is gone", lost.seq));
        }
        None
    }

    /// With what the leader holds back.
    fn words(&self, what: &str) -> String {
        let held = self
            .supervisors
            .iter()
            .filter_map(|host| host.machine.as_ref()?.plan())
            .flat_map(|plan| {
                plan.held_back
                    .iter()
                    .map(|held| format!("{} waits for {}", held.what, held.waiting_for))
            });
        let held: Vec<String> = held.collect();
        format!("{what} [{}]", held.join("; "))
    }
}
