//! Serving clients while the supervisors are silent: one member of the ack set promises to confirm no revocation for a
//! while. One is enough, because a promotion needs the revocation of all of them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use quorate_model::{Epoch, Moment, NodeId, Task};

use super::server::Role;
use super::{Durable, Effect, Machine, Settings};

/// Questions whose time is remembered.
const ASKED_MAX: usize = 16;

/// The primary's side.
#[derive(Debug, Default)]
pub(super) struct Asker {
    seq: u64,
    asked: VecDeque<(u64, Moment)>,
    next: Option<Moment>,
    held: Option<(NodeId, Moment)>,
}

impl Asker {
    pub(super) fn holds(&self, now: Moment) -> bool {
        self.held.as_ref().is_some_and(|(_, until)| now < *until)
    }

    pub(super) fn until(&self) -> Option<Moment> {
        self.held.as_ref().map(|(_, until)| *until)
    }

    pub(super) const fn due(&self) -> Option<Moment> {
        self.next
    }

    /// A node that leaves the ack set is not needed for a promotion any more: its promise is worth nothing.
    pub(super) fn keep_only(&mut self, ack_set: &BTreeSet<NodeId>) {
        if self.held.as_ref().is_some_and(|(by, _)| !ack_set.contains(by)) {
            self.held = None;
        }
    }
}

/// The replica's side: what was promised to a primary.
#[derive(Debug, Default)]
pub(super) struct Grantor {
    epoch: Epoch,
    /// Highest question seen; an older one comes late.
    seen: u64,
    until: Option<Moment>,
}

impl Grantor {
    /// A restarted agent does not know when it granted last, so it waits as if that was just now.
    pub(super) fn after_restart(settings: &Settings, durable: &Durable, now: Moment) -> Self {
        Self {
            epoch: durable.failsafe.unwrap_or_default(),
            seen: 0,
            until: durable.failsafe.map(|_| now.after(settings.failsafe_wait)),
        }
    }

    pub(super) const fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Whether everything granted has ended.
    pub(super) fn over(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now >= until)
    }
}

impl Machine {
    /// Asks, once the supervisors were silent for a while; gives back, once clients are out for good.
    pub(super) fn ask_failsafe(&mut self) {
        let serving = self.serving_epoch();
        let Some(epoch) = serving else {
            let epoch = self.asker_epoch;
            if self.asker.next.take().is_some() {
                self.asker.held = None;
                self.asker.asked.clear();
                self.asker.seq = self.asker.seq.saturating_add(1);
                // The door comes first: what is given back must not be in use any more.
                self.sync_ports();
                let seq = self.asker.seq;
                self.out.push(Effect::AskFailsafe {
                    epoch,
                    seq,
                    release: true,
                });
            }
            return;
        };
        self.asker_epoch = epoch;
        let waited = self.now.since(self.order_at);
        let silence = self
            .lease
            .silence(epoch, self.now)
            .map_or(waited, |silence| silence.min(waited));
        let silent = silence >= self.settings.failsafe_after;
        if !silent {
            return;
        }
        if self.asker.next.is_none_or(|next| self.now >= next) {
            let asker = &mut self.asker;
            asker.seq = asker.seq.saturating_add(1);
            asker.asked.push_back((asker.seq, self.now));
            if asker.asked.len() > ASKED_MAX {
                asker.asked.pop_front();
            }
            asker.next = Some(self.now.after(self.settings.failsafe_after / 2));
            let seq = asker.seq;
            self.out.push(Effect::AskFailsafe {
                epoch,
                seq,
                release: false,
            });
        }
    }

    /// The epoch under which clients are served or would be with a lease.
    pub(super) fn serving_epoch(&self) -> Option<Epoch> {
        let order = self.order.as_ref()?;
        let primary = self.primary()?;
        let open = primary.barrier.is_some() && primary.unlocked && primary.frozen.is_none();
        let current = primary.epoch == order.epoch && matches!(order.task, Task::Serve { .. });
        (open && current).then_some(primary.epoch)
    }

    pub(super) fn take_failsafe(&mut self, by: NodeId, epoch: Epoch, seq: u64, ttl: Duration) {
        if self.serving_epoch() != Some(epoch) || ttl.is_zero() {
            return;
        }
        let member = self.primary().is_some_and(|primary| primary.ackable.contains(&by));
        let Some(&(_, asked)) = self.asker.asked.iter().find(|(number, _)| *number == seq) else {
            return;
        };
        let until = asked.after(ttl);
        if member && self.asker.until().is_none_or(|present| until > present) {
            self.asker.held = Some((by, until));
        }
    }

    /// Grants only to the primary that this node follows under the epoch that it promised, with the mark on disk first.
    pub(super) fn answer_failsafe(&mut self, from: NodeId, epoch: Epoch, seq: u64, release: bool) {
        let late = self.grantor.epoch == epoch && seq <= self.grantor.seen;
        if late || epoch < self.grantor.epoch {
            return;
        }
        let follows = self.top_epoch() == epoch
            && self.durable.promised == epoch
            && matches!(self.role(), Some(Role::Replica { epoch: of, source, attached: Some(_) })
                if *of == epoch && *source == from);
        if release {
            if self.grantor.epoch == epoch {
                self.grantor.seen = seq;
                self.grantor.until = None;
                self.reports.hurry();
            }
            return;
        }
        let mut ttl = Duration::ZERO;
        if follows && self.durable.failsafe == Some(epoch) {
            self.grantor.epoch = epoch;
            self.grantor.seen = seq;
            self.grantor.until = Some(self.now.after(self.settings.failsafe_wait));
            ttl = self.settings.failsafe_ttl;
        } else if follows {
            self.persist_failsafe(epoch);
        }
        self.out.push(Effect::AnswerFailsafe {
            to: from,
            epoch,
            seq,
            ttl,
        });
    }

    /// The primary asks again, so the question that found no mark on disk is simply refused.
    fn persist_failsafe(&mut self, epoch: Epoch) {
        let wanted = Durable {
            failsafe: Some(epoch),
            ..self.latest()
        };
        if self.latest() != wanted {
            self.writing = Some(wanted);
            self.out.push(Effect::Persist(wanted));
        }
    }

    /// Whether a promise to a primary forbids to confirm a revocation now.
    pub(super) fn promised_failsafe(&self) -> bool {
        !self.grantor.over(self.now)
    }
}
