//! Which orders are accepted, and the promise.

use quorate_model::{Epoch, Order, Task};

use super::{Durable, Effect, Machine, Step};

impl Machine {
    /// The highest epoch promised or about to be.
    pub(super) fn top_epoch(&self) -> Epoch {
        let ordered = self.order.as_ref().map_or(Epoch::ZERO, |order| order.epoch);
        self.latest().promised.max(ordered)
    }

    /// Accepts an order unless it is stale: of a lower epoch, or derived from an older state of the same epoch.
    pub(super) fn take_order(&mut self, order: Order) {
        self.reports.hurry();
        if order.epoch < self.top_epoch() {
            return;
        }
        if let Some(last) = &self.order {
            if order.epoch == last.epoch && order.index < last.index {
                return;
            }
            if order.epoch == last.epoch && order.task == last.task {
                self.order = Some(order);
                return;
            }
        }
        let task_changed = !self.order.as_ref().is_some_and(|last| same_work(last, &order));
        if task_changed {
            self.order_at = self.now;
            self.observed = 0;
            self.trouble = None;
            self.retry_at = self.now;
            self.cancel_step();
        }
        if let Task::Promote { ack_set, .. } | Task::Serve { ack_set, .. } = &order.task
            && let Some(primary) = self.primary_mut()
            && primary.epoch == order.epoch
        {
            primary.ackable.clone_from(ack_set);
            self.asker.keep_only(ack_set);
        }
        self.order = Some(order);
    }

    /// Gives up a step that only the previous order wanted and that can be given up without leaving a trace.
    fn cancel_step(&mut self) {
        if let Some(pending) = &mut self.step
            && !pending.cancelled
            && matches!(
                pending.step,
                Step::Drain { .. } | Step::Attach { .. } | Step::Freeze { .. }
            )
        {
            pending.cancelled = true;
            self.out.push(Effect::CancelStep { id: pending.id });
        }
    }

    /// What the disk holds once the last write is through.
    pub(super) fn latest(&self) -> Durable {
        self.writing.unwrap_or(self.durable)
    }

    pub(super) fn persist(&mut self, change: impl FnOnce(&mut Durable)) {
        let latest = self.latest();
        let mut wanted = latest;
        change(&mut wanted);
        if wanted == latest {
            return;
        }
        if self.grantor.over(self.now) {
            wanted.failsafe = None;
        }
        self.writing = Some(wanted);
        self.out.push(Effect::Persist(wanted));
    }

    pub(super) fn take_persisted(&mut self, durable: Durable) {
        self.durable = durable;
        if self.writing == Some(durable) {
            self.writing = None;
        }
    }
}

/// Whether two orders of one epoch ask for the same work, so that a step under way for the first serves the second.
fn same_work(a: &Order, b: &Order) -> bool {
    a.epoch == b.epoch && std::mem::discriminant(&a.task) == std::mem::discriminant(&b.task)
}
