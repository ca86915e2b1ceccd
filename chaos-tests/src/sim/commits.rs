//! Commits: into the binlog, to whoever acknowledges, into the engine; freezes; and the applier of a replica.

use quorate_agent::machine::{Event, StepResult};
use quorate_model::Epoch;

use super::clock::Micros;
use super::event::{Answer, What};
use super::mariadb::{Freeze, Txn, Waiter};
use super::world::World;

impl World {
    /// A commit: into the binlog, then to whoever acknowledges (AFTER_SYNC).
    pub(crate) fn commit_on(&mut self, at: usize, waiter: Waiter) {
        let Some(server) = self.nodes[at].server.as_mut() else {
            return;
        };
        if server.freeze != Freeze::No {
            server.queued.push_back(waiter);
            return;
        }
        let first = match waiter {
            Waiter::Epoch { epoch, .. } => Epoch(epoch).first_seq(),
            Waiter::Client { .. } | Waiter::Probe { .. } => 0,
        };
        let uid = self.unique();
        let node = &mut self.nodes[at];
        let txn = Txn {
            server: node.server_id,
            seq: (node.disk.end() + 1).max(first),
            uid,
        };
        node.disk.prepare(txn);
        let Some(server) = node.server.as_mut() else { return };
        server.waiting.push_back((txn.seq, waiter));
        if server.armed {
            self.wake_streams(at);
        } else {
            server.unprotected += 1;
            self.wake_streams(at);
            self.acknowledged(at, txn.seq);
        }
    }

    /// Everything up to `seq` is acknowledged: it commits in the engine, and its waiters are answered.
    pub(crate) fn acknowledged(&mut self, at: usize, seq: u64) {
        let node = &mut self.nodes[at];
        let reached = node.disk.binlog.partition_point(|txn| txn.seq <= seq);
        if reached > node.disk.committed {
            node.disk.flushed = node.disk.flushed.max(node.disk.committed.saturating_sub(1));
            node.disk.committed = reached;
        }
        loop {
            let Some(server) = self.nodes[at].server.as_mut() else {
                return;
            };
            let Some((seq, waiter)) = server.waiting.front().copied().filter(|(waiting, _)| *waiting <= seq) else {
                break;
            };
            server.waiting.pop_front();
            self.answer_waiter(at, seq, waiter);
        }
        self.try_freeze(at);
    }

    fn answer_waiter(&mut self, at: usize, seq: u64, waiter: Waiter) {
        let Some(txn) = self.nodes[at].disk.find(seq) else {
            return;
        };
        match waiter {
            Waiter::Client { client, session, write } => {
                let answer = Answer::Ok { seq, uid: txn.uid };
                self.answer_client(at, client, session, Some(write), answer);
            }
            Waiter::Probe { life, probe } => {
                let event = Box::new(Event::ProbeDone { probe, ok: true });
                self.after(200, What::Agent { node: at, life, event });
            }
            Waiter::Epoch { life, step, .. } => {
                self.edit(at, |server| {
                    server.epoch_row_waits = false;
                    server.epoch_row = seq;
                });
                if self.nodes[at].agent.life == life {
                    self.step_result(at, step, StepResult::Written(txn.gtid()));
                }
            }
        }
    }

    /// A freeze takes hold once no commit waits for its acknowledgement.
    pub(crate) fn try_freeze(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(server) = node.server.as_mut() else { return };
        let Freeze::Asked { life, step, .. } = server.freeze else {
            return;
        };
        if !server.waiting.is_empty() {
            return;
        }
        server.freeze = Freeze::Holds;
        let position = node.disk.position(node.disk.end());
        self.trace
            .say(self.now, || format!("m{}: commits frozen at {position}", at + 1));
        if self.nodes[at].agent.life == life {
            self.step_result(at, step, StepResult::Frozen(position));
        }
    }

    pub(crate) fn freeze_ends(&mut self, at: usize, boot: u64, step: u64) {
        let Some(server) = self.nodes[at].server.as_ref().filter(|server| server.boot == boot) else {
            return;
        };
        if matches!(server.freeze, Freeze::Asked { step: asked, .. } if asked == step) {
            self.thaw_commits(at);
            self.step_done(at, step, Err("commits could not be frozen in time".to_owned()));
        }
    }

    pub(crate) fn thaw_commits(&mut self, at: usize) {
        let Some(server) = self.nodes[at].server.as_mut() else {
            return;
        };
        server.freeze = Freeze::No;
        let queued = std::mem::take(&mut server.queued);
        for waiter in queued {
            self.commit_on(at, waiter);
        }
    }

    /// The applier takes the next transaction.
    pub(crate) fn apply(&mut self, at: usize, boot: u64) {
        let node = &self.nodes[at];
        let Some(server) = node
            .server
            .as_ref()
            .filter(|server| server.boot == boot && server.applier)
        else {
            return;
        };
        // Armed on a replica it would wait for an acknowledgement of its own (M10).
        if server.armed {
            return;
        }
        if node.frozen {
            self.nodes[at].icebox.push(What::Apply { node: at, boot });
            return;
        }
        if node.stalled_until > self.now {
            let until = node.stalled_until;
            self.at(until + 100, What::Apply { node: at, boot });
            return;
        }
        let Some(txn) = node.disk.next_to_apply() else { return };
        self.nodes[at].disk.apply(txn);
        if self.nodes[at].disk.next_to_apply().is_some() {
            let wait: Micros = self.nodes[at].apply;
            self.after(wait, What::Apply { node: at, boot });
        }
    }
}
