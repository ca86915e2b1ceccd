//! What every concern reads: the inputs, with the few derived facts that more than one of them needs.

use std::time::Duration;

use quorate_model::{
    AgentReport, ClusterSpec, EmptyAckSet, Epoch, Gtid, GtidSet, Moment, NodeId, Observations, Policy, Progress,
    ServerFacts, ServerState, State, VoterView,
};

/// A voter's view older than this says nothing.
const VOTER_FRESH: Duration = Duration::from_secs(1);

/// Reports must agree for this long that a stream is quiet.
const QUIET_CONFIRMED: Duration = Duration::from_millis(300);

/// The planner's inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) seen: &'a Observations,
    pub(crate) now: Moment,
    pub(crate) spec: &'a ClusterSpec,
}

impl<'a> View<'a> {
    /// None while no declaration is agreed.
    pub(crate) fn new(state: &'a State, seen: &'a Observations, now: Moment) -> Option<Self> {
        let spec = state.spec.as_ref()?;
        Some(Self { state, seen, now, spec })
    }

    pub(crate) const fn policy(&self) -> &'a Policy {
        &self.spec.policy
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        self.state.epoch
    }

    pub(crate) fn degrades(&self) -> bool {
        self.policy().empty_ack_set == EmptyAckSet::Degrade
    }

    pub(crate) const fn in_phase(&self) -> Duration {
        self.now.since(self.seen.phase_since)
    }

    /// Adaptive silence threshold of a node, within the policy's bounds.
    pub(crate) fn threshold(&self, node: &NodeId) -> Duration {
        let floor = self.policy().silence_floor;
        let cap = self.policy().silence_cap.max(floor);
        self.seen
            .thresholds
            .get(node)
            .copied()
            .unwrap_or(floor)
            .clamp(floor, cap)
    }

    /// How long nothing was heard of a node's agent; counts from the start of this lead if it was never heard of.
    pub(crate) fn silence(&self, node: &NodeId) -> Duration {
        self.seen
            .silence(node, self.now)
            .unwrap_or_else(|| self.now.since(self.seen.leader_since))
    }

    /// The last report, however old. What it says of a promise or of final positions stays true.
    pub(crate) fn report(&self, node: &NodeId) -> Option<&'a AgentReport> {
        self.seen.agents.get(node).map(|seen| &seen.value)
    }

    /// The last report, if the agent is not silent.
    pub(crate) fn fresh(&self, node: &NodeId) -> Option<&'a AgentReport> {
        self.report(node).filter(|_| self.silence(node) <= self.threshold(node))
    }

    /// Whether the report comes from the data directory that is registered for the node.
    pub(crate) fn known_directory(&self, report: &AgentReport) -> bool {
        self.state
            .nodes
            .get(&report.node)
            .is_some_and(|record| record.incarnation == report.incarnation)
    }

    /// How long a replica has received nothing from its primary; none if it has no stream.
    pub(crate) fn stream_silence(&self, node: &NodeId) -> Option<Duration> {
        let report = self.report(node)?;
        Some(report.source_silence?.saturating_add(self.silence(node)))
    }

    /// Whether a node's reports have shown for a while that nothing comes from its primary. A single one may only tell that its
    /// agent, or this supervisor, was not given a processor for a moment.
    pub(crate) fn quiet(&self, node: &NodeId) -> bool {
        let Some((since, seen)) = self.seen.quiet.get(node).zip(self.seen.agents.get(node)) else {
            return false;
        };
        seen.at.since(*since) >= QUIET_CONFIRMED
    }

    /// Transactions that nobody was entitled to write, applied or only received.
    pub(crate) fn errant(&self, facts: &ServerFacts) -> Vec<Gtid> {
        let mut errant = self.state.timeline.errant(&facts.binlog_state);
        for gtid in self.state.timeline.errant(&facts.received) {
            if !errant.contains(&gtid) {
                errant.push(gtid);
            }
        }
        errant
    }

    /// Declared nodes other than the primary of the epoch.
    pub(crate) fn others(&self) -> impl Iterator<Item = &'a NodeId> {
        let primary = self.state.primary.as_ref();
        self.spec.nodes.keys().filter(move |node| Some(*node) != primary)
    }

    /// Views of other voters that are fresh.
    pub(crate) fn voters(&self) -> impl Iterator<Item = &'a VoterView> {
        let now = self.now;
        self.seen
            .voters
            .values()
            .filter(move |seen| now.since(seen.at) <= VOTER_FRESH)
            .map(|seen| &seen.value)
    }

    /// Another voter that misses the node for longer than `threshold`, and for how long if it says so.
    pub(crate) fn second_witness(
        &self,
        node: &NodeId,
        threshold: Duration,
    ) -> Option<(&'a VoterView, Option<Duration>)> {
        self.voters().find_map(|voter| match voter.silence.get(node) {
            Some(silence) if *silence > threshold => Some((voter, Some(*silence))),
            None if voter.disconnected.contains(node) => Some((voter, None)),
            _ => None,
        })
    }
}

/// The last answer of a running server.
pub(crate) const fn facts(report: &AgentReport) -> Option<&ServerFacts> {
    match &report.server {
        ServerState::Running { facts, .. } => Some(facts),
        ServerState::Down { .. } | ServerState::Starting => None,
    }
}

/// Whether the node receives nothing under any epoch below `epoch`.
pub(crate) fn revoked(report: &AgentReport, epoch: Epoch) -> bool {
    report.promised >= epoch && matches!(report.progress, Progress::Revoked { epoch: of } if of >= epoch)
}

/// How far a position is.
pub(crate) fn extent(position: &GtidSet) -> u64 {
    position.iter().map(|gtid| gtid.seq).max().unwrap_or_default()
}

/// Milliseconds for people.
pub(crate) fn ms(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}
