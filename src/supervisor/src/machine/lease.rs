//! Leadership's right to act, and the lease of the primary's door.

use std::time::Duration;

use quorate_model::{Change, LeaseGrant, Moment, NodeId};

use super::{Effect, Machine};

/// A shorter lease would end before its grant arrives.
const LEASE_MIN: Duration = Duration::from_millis(50);

impl Machine {
    /// Leadership began, ended, or went through another election: what was in flight is another leader's business now.
    pub(super) fn leadership(&mut self, now: Moment, term: Option<u64>, effects: &mut Vec<Effect>) {
        if self.leading == term {
            return;
        }
        self.leading = term;
        self.quorum = None;
        self.plan = None;
        if !std::mem::take(&mut self.violations).is_empty() {
            effects.push(Effect::Alarm(Vec::new()));
        }
        self.cooling = Moment::ZERO;
        self.sent.clear();
        self.published = None;
        self.forget_proposals(effects);
        self.seen.leader_since = now;
        self.seen.last_grant = None;
        self.seen.phase_since = now;
    }

    pub(super) fn quorum_acked(&mut self, now: Moment, age: Duration, effects: &mut Vec<Effect>) {
        if self.leading.is_none() {
            return;
        }
        let could = self.may_act(now);
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        let at = Moment::from_micros(now.as_micros().saturating_sub(age));
        self.quorum = self.quorum.max(Some(at));
        if !could && self.may_act(now) {
            self.decide(now, effects);
        }
    }

    /// Answers a report of the leased primary. Nothing is granted beyond the time at which a quorum last acknowledged this
    /// leader plus the lease: a successor waits that long from its own election, which was later (failover.md §3.4).
    pub(super) fn grant(&mut self, now: Moment, node: &NodeId, seq: u64, effects: &mut Vec<Effect>) {
        if !self.may_act(now) || !self.violations.is_empty() || self.is_proposing(is_begin) {
            return;
        }
        let leased = self.plan.as_ref().and_then(|plan| plan.lease.as_ref());
        let (Some((primary, epoch)), Some(quorum)) = (leased, self.quorum) else {
            return;
        };
        if primary != node || *epoch != self.state.epoch {
            return;
        }
        let epoch = *epoch;
        let ttl = now.until(quorum.after(self.policy().lease_ttl));
        if ttl < LEASE_MIN {
            return;
        }
        self.seen.last_grant = Some((epoch, now));
        effects.push(Effect::Grant {
            node: node.clone(),
            grant: LeaseGrant { epoch, seq, ttl },
        });
    }
}

const fn is_begin(change: &Change) -> bool {
    matches!(change, Change::Begin { .. })
}
