//! Leadership's right to act, and the lease of the primary's door.

use std::time::Duration;

use quorate_model::{Change, LeaseGrant, Moment, NodeId, State};

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
        self.seen.leader_since = self.leases_begin(now);
        self.seen.last_grant = None;
        self.seen.phase_since = now;
    }

    /// The declared length of a lease may have become shorter: those granted before last as long as they did.
    pub(super) fn policy_changed(&mut self, now: Moment, before: &State) {
        let wait = |state: &State| state.spec.as_ref().map(|spec| spec.policy.lease_wait());
        if wait(before) > wait(&self.state) {
            self.longer_leases_until = now.after(wait(before).unwrap_or_default());
            self.seen.leader_since = self.leases_begin(self.seen.leader_since);
        }
    }

    /// From when a wait of one lease outlives every grant of earlier leaders.
    fn leases_begin(&self, lead: Moment) -> Moment {
        let wait = u64::try_from(self.policy().lease_wait().as_micros()).unwrap_or(u64::MAX);
        lead.max(Moment::from_micros(
            self.longer_leases_until.as_micros().saturating_sub(wait),
        ))
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
