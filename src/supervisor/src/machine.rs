//! The supervisor's decision code: events and time in, effects out. No IO, no clock, no randomness.
//!
//! ```text
//!   Applied, Leadership, QuorumAcked (Raft) ┐                        ┌► Propose ──► Raft
//!   Report, Connected, Disconnected (agents)┤                        ├► Send, Grant ──► agents
//!   RouterReport (routers)                  ┼─► Machine::handle ─────┼► Routes ──► routers
//!   VoterView (other supervisors)           │   observe → plan →     ├► View ──► other supervisors
//!   Request (operators), Tick (the clock)   ┘   audit → effects      └► Answer ──► operators, Alarm ──► everybody
//! ```
//!
//! Every voter observes; only a leader whom a quorum acknowledged lately acts ([`Machine::may_act`]). It keeps nothing
//! that a successor would need: a new leader forgets what was in flight, plans again and goes on. At most one proposal is in
//! flight, so every change is planned on a state that holds all changes before it.

mod decide;
mod event;
mod lease;
mod observe;
mod orders;
mod propose;
mod requests;
mod rhythm;
mod routes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quorate_model::{ClusterSpec, Moment, NodeId, Observations, Plan, Policy, State, SupervisorId, UnixMillis};
use quorate_planner::Violation;

pub use event::{Effect, Event, ProposalOutcome};
pub use requests::{Asked, Denied, Done, Request, RequestId, SwitchoverPreview};

use orders::Sent;
use propose::InFlight;
use rhythm::Rhythm;
use routes::Published;

/// What a machine is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who this is.
    pub me: SupervisorId,
    /// The declared cluster; a leader makes it the agreed one.
    pub spec: ClusterSpec,
    /// A number that no other start of any supervisor has; makes the keys of commands unique.
    pub nonce: u64,
    /// How old a quorum's last acknowledgement may be while a leader still acts. Being leader is not a right to act.
    pub authority: Duration,
}

/// One supervisor's decisions.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    state: Arc<State>,
    seen: Observations,
    rhythms: BTreeMap<NodeId, Rhythm>,
    /// When silence-caused epochs began, newest last.
    suspicions: VecDeque<Moment>,
    /// When this supervisor last told the others what it sees.
    viewed: Option<Moment>,
    /// A reading of both clocks at the last tick, so that commands carry wall time without reading a clock.
    wall: (Moment, UnixMillis),
    /// The term in which this supervisor leads.
    leading: Option<u64>,
    /// When a quorum last acknowledged this leader, at the latest.
    quorum: Option<Moment>,
    /// Leases granted under a longer term than the present one have ended by then.
    longer_leases_until: Moment,
    plan: Option<Plan>,
    violations: Vec<Violation>,
    in_flight: Option<InFlight>,
    /// No proposal before this moment: the last one was refused.
    cooling: Moment,
    proposals: u64,
    waiting: VecDeque<Asked>,
    sent: BTreeMap<NodeId, Sent>,
    published: Option<Published>,
}

impl Machine {
    /// A machine that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings, now: Moment) -> Self {
        let seen = Observations::new(settings.me.clone(), now);
        Self {
            settings,
            state: Arc::default(),
            seen,
            rhythms: BTreeMap::new(),
            suspicions: VecDeque::new(),
            viewed: None,
            wall: (now, UnixMillis(0)),
            leading: None,
            quorum: None,
            longer_leases_until: Moment::ZERO,
            plan: None,
            violations: Vec::new(),
            in_flight: None,
            cooling: Moment::ZERO,
            proposals: 0,
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            published: None,
        }
    }

    /// Takes an event and answers with what is to be done, in this order.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Applied(state) => self.applied(now, state, &mut effects),
            Event::Leadership { leading, term } => self.leadership(now, leading.then_some(term), &mut effects),
            Event::QuorumAcked { age } => self.quorum_acked(now, age, &mut effects),
            Event::AgentConnected { node } => self.agent_connected(now, &node, &mut effects),
            Event::AgentDisconnected { node, reset } => self.agent_disconnected(now, node, reset, &mut effects),
            Event::Report(report) => self.report(now, *report, &mut effects),
            Event::RouterReport(report) => self.router_report(now, report, &mut effects),
            Event::VoterView(view) => self.voter_view(now, view, &mut effects),
            Event::ProposalDone { key, outcome } => self.proposal_done(now, &key, outcome, &mut effects),
            Event::Request(asked) => self.request(now, asked, &mut effects),
            Event::Tick { unix } => self.tick(now, unix, &mut effects),
        }
        effects
    }

    /// Whether this supervisor leads and a quorum acknowledged it lately enough for it to act.
    #[must_use]
    pub fn may_act(&self, now: Moment) -> bool {
        self.leading.is_some()
            && self
                .quorum
                .is_some_and(|quorum| now.since(quorum) < self.settings.authority)
    }

    /// Whether this supervisor leads; see [`Machine::may_act`].
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.leading.is_some()
    }

    /// The Raft term in which this supervisor leads.
    #[must_use]
    pub const fn term(&self) -> Option<u64> {
        self.leading
    }

    /// What would be planned on what is known here now; for whoever wants to look, follower or leader.
    #[must_use]
    pub fn look(&self, now: Moment) -> Plan {
        quorate_planner::plan(&self.state, &self.seen, now)
    }

    /// The agreed state, as far as it is known here.
    #[must_use]
    pub const fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// What this supervisor has seen.
    #[must_use]
    pub const fn observations(&self) -> &Observations {
        &self.seen
    }

    /// The last plan; none while this supervisor does not lead.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// What the audit found in the last plan. While there is anything, nothing is done.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// What was given at the start.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn policy(&self) -> &Policy {
        self.state
            .spec
            .as_ref()
            .map_or(&self.settings.spec.policy, |spec| &spec.policy)
    }

    fn tick(&mut self, now: Moment, unix: UnixMillis, effects: &mut Vec<Effect>) {
        self.wall = (now, unix);
        self.view_if_due(now, effects);
        self.decide(now, effects);
    }
}

#[cfg(test)]
mod tests;
