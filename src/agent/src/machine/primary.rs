//! Becoming primary, opening, freezing.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_model::{Epoch, GtidSet, NodeId, OperationId, Task};

use super::server::{Primary, Role};
use super::{Effect, Machine, Step};

impl Machine {
    /// Drained, armed, and the epoch row acknowledged; clients stay out.
    pub(super) fn be_primary(&mut self, epoch: Epoch, operation: OperationId, required: &GtidSet) {
        match self.role() {
            None => {
                self.trouble =
                    Some("the server is down; it is promoted only as it stood when it was chosen".to_owned());
                self.boot_when_due();
            }
            Some(Role::Gated) => self.start_step(Step::Salvage),
            Some(Role::Replica { .. }) => self.start_step(Step::StopReceiving),
            Some(Role::Quiet) => self.take_the_role(epoch, required),
            Some(Role::Primary(primary)) if primary.epoch < epoch => self.stay_primary(epoch, required),
            Some(Role::Primary(primary)) if !primary.armed => self.start_step(Step::Arm),
            Some(Role::Primary(primary)) if primary.barrier.is_none() => {
                // From the first row on, a restarted server must not go on under this epoch.
                if self.durable.led >= epoch {
                    self.start_step(Step::WriteEpoch { epoch, operation });
                }
            }
            Some(Role::Primary(_)) => {}
        }
    }

    fn take_the_role(&mut self, epoch: Epoch, required: &GtidSet) {
        let Some(up) = self.up() else { return };
        let received = &up.facts.received;
        if !received.covers(required) {
            self.trouble = Some(format!(
                "holds {received}, but the primary of epoch {epoch} must hold {required}"
            ));
            return;
        }
        let began = self.leading == Some((epoch, up.boot));
        if self.durable.led >= epoch && !began {
            self.trouble = Some(format!(
                "the server was restarted since it was made primary of epoch {epoch}; that takes a new epoch"
            ));
            return;
        }
        if !began {
            self.leading = Some((epoch, up.boot));
            self.persist(|durable| durable.led = epoch);
        }
        // The server works while the disk does: nothing is written under the epoch before it is noted.
        if self.drain() || self.step.is_some() || self.now < self.retry_at {
            return;
        }
        let ackable = self.ordered_ack_set();
        self.set_role(Role::Primary(Primary {
            epoch,
            armed: false,
            barrier: None,
            unlocked: false,
            frozen: None,
            ackable,
        }));
        self.final_binlog = None;
        self.start_step(Step::Arm);
    }

    /// An aborted handover: the same server goes on as primary, under a new epoch and with a new epoch row.
    fn stay_primary(&mut self, epoch: Epoch, required: &GtidSet) {
        let frozen = self.primary().and_then(|primary| primary.frozen.as_ref());
        let holds = frozen.is_some_and(|position| position.covers(required))
            || self.up().is_some_and(|up| up.facts.applied.covers(required));
        if !holds {
            self.trouble = Some(format!(
                "does not hold {required}, which the primary of epoch {epoch} must hold"
            ));
            return;
        }
        if self.durable.led < epoch {
            self.persist(|durable| durable.led = epoch);
            return;
        }
        if self.step.is_some() {
            return;
        }
        if self.primary().is_some_and(|primary| primary.frozen.is_some()) {
            self.start_step(Step::Thaw);
            return;
        }
        let ack_set = self.ordered_ack_set();
        if let Some(primary) = self.primary_mut() {
            primary.epoch = epoch;
            primary.barrier = None;
            primary.ackable = ack_set;
        }
        self.reports.hurry();
        let order = self.order.clone();
        if let Some(Task::Promote { operation, .. }) = order.map(|order| order.task) {
            self.start_step(Step::WriteEpoch { epoch, operation });
        }
    }

    fn ordered_ack_set(&self) -> BTreeSet<NodeId> {
        match self.order.as_ref().map(|order| &order.task) {
            Some(Task::Promote { ack_set, .. } | Task::Serve { ack_set, .. }) => ack_set.clone(),
            Some(Task::Revoke | Task::Follow { .. } | Task::Freeze { .. }) | None => BTreeSet::new(),
        }
    }

    /// Open for writes. Only a server that became ready in this boot.
    pub(super) fn be_open(&mut self, epoch: Epoch) {
        match self.role() {
            None => {
                self.trouble = Some("the server is down".to_owned());
                self.boot_when_due();
            }
            Some(Role::Primary(primary)) if primary.epoch == epoch && primary.barrier.is_some() => {
                if primary.frozen.is_some() {
                    self.start_step(Step::Thaw);
                } else if !primary.unlocked {
                    self.start_step(Step::Unlock);
                }
            }
            Some(Role::Gated) => {
                self.trouble = Some(format!("not ready under epoch {epoch}: the server was restarted"));
                self.boot_when_due();
            }
            Some(Role::Quiet | Role::Replica { .. } | Role::Primary(_)) => {
                self.trouble = Some(format!("not ready under epoch {epoch} in this run of the server"));
            }
        }
    }

    /// Commits frozen, clients out. A freeze that does not come within `limit` is given up; one that came is kept:
    /// the promise bars clients from the old epoch anyway.
    pub(super) fn be_frozen(&mut self, limit: Duration) {
        let left = self.now.until(self.order_at.after(limit));
        match self.role() {
            Some(Role::Primary(primary)) if primary.frozen.is_some() => {}
            Some(Role::Primary(primary)) if primary.barrier.is_some() => {
                if !left.is_zero() {
                    self.start_step(Step::Freeze { limit: left });
                    return;
                }
                if let Some(pending) = &mut self.step {
                    if matches!(pending.step, Step::Freeze { .. }) && !pending.cancelled {
                        pending.cancelled = true;
                        self.out.push(Effect::CancelStep { id: pending.id });
                    }
                } else if self.observed > 1 {
                    // Beside this stand positions that were read after the clients were put out: they bound
                    // everything that was acknowledged to one of them.
                    self.trouble = Some(format!("commits could not be frozen within {} ms", limit.as_millis()));
                }
            }
            Some(Role::Gated | Role::Quiet | Role::Replica { .. } | Role::Primary(_)) | None => {
                self.trouble = Some("only an open primary can be frozen".to_owned());
                self.boot_when_due();
            }
        }
    }
}
