//! Until when clients may be served.

use std::collections::VecDeque;
use std::time::Duration;

use quorate_model::{Epoch, LeaseGrant, LeaseKind, Moment};

use super::Machine;

/// Reports whose sending time is remembered; at one each 20 ms that is more than any lease lasts.
const SENT_MAX: usize = 128;

/// The supervisors' lease.
#[derive(Debug, Default)]
pub(super) struct Lease {
    epoch: Epoch,
    until: Option<Moment>,
    /// When the report was sent that the last grant answers.
    renewed: Option<Moment>,
    sent: VecDeque<(u64, Moment)>,
}

impl Lease {
    /// Remembers when a report was sent. The lease counts from there, so it ends here before it ends at the grantor.
    pub(super) fn sent(&mut self, seq: u64, at: Moment) {
        self.sent.push_back((seq, at));
        if self.sent.len() > SENT_MAX {
            self.sent.pop_front();
        }
    }

    pub(super) const fn until(&self) -> Option<Moment> {
        self.until
    }

    pub(super) fn holds(&self, epoch: Epoch, now: Moment) -> bool {
        self.epoch == epoch && self.until.is_some_and(|until| now < until)
    }

    /// How long the supervisors have granted nothing for this epoch; none if they never did.
    pub(super) fn silence(&self, epoch: Epoch, now: Moment) -> Option<Duration> {
        self.renewed
            .filter(|_| self.epoch == epoch)
            .map(|renewed| now.since(renewed))
    }
}

impl Machine {
    pub(super) fn take_lease(&mut self, grant: &LeaseGrant) {
        let lease = &mut self.lease;
        let Some(&(_, sent)) = lease.sent.iter().find(|(seq, _)| *seq == grant.seq) else {
            return;
        };
        if grant.epoch < lease.epoch {
            return;
        }
        if grant.epoch > lease.epoch {
            lease.epoch = grant.epoch;
            lease.until = None;
            lease.renewed = None;
        }
        lease.until = lease.until.max(Some(sent.after(grant.ttl)));
        lease.renewed = lease.renewed.max(Some(sent));
    }

    /// On whose authority clients of a primary of this epoch are served now.
    pub(super) fn authority(&self, epoch: Epoch) -> LeaseKind {
        if self.lease.holds(epoch, self.now) {
            LeaseKind::Supervisors
        } else if self.asker.holds(self.now) {
            LeaseKind::Failsafe
        } else {
            LeaseKind::None
        }
    }
}
