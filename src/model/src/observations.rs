//! What one supervisor has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentReport, Epoch, GtidSet, Moment, NodeId, RouterId, RouterReport, ServerState, SupervisorId};

/// A value and when it arrived here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// Arrival, on this supervisor's clock.
    pub at: Moment,
    /// What arrived.
    pub value: T,
}

/// The connection of an agent to this supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whether it stands.
    pub connected: bool,
    /// Since when.
    pub since: Moment,
    /// Whether it ended by a reset or an end of file, rather than by silence.
    pub reset: bool,
}

/// What another voter says it has not heard of for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterView {
    /// Who says so.
    pub voter: SupervisorId,
    /// Silence of each node's agent, seen from there; absent if it was never heard of.
    pub silence: BTreeMap<NodeId, Duration>,
    /// Nodes whose link to that voter is down now.
    pub disconnected: Vec<NodeId>,
}

/// Everything that one supervisor has seen: the input of the planner beside the agreed state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// Who observes.
    pub observer: SupervisorId,
    /// Last report of each agent.
    pub agents: BTreeMap<NodeId, Seen<AgentReport>>,
    /// Link of each agent.
    pub links: BTreeMap<NodeId, Link>,
    /// Last view of each other voter.
    pub voters: BTreeMap<SupervisorId, Seen<VoterView>>,
    /// Last report of each router.
    pub routers: BTreeMap<RouterId, Seen<RouterReport>>,
    /// Adaptive silence threshold of each agent.
    pub thresholds: BTreeMap<NodeId, Duration>,
    /// Since when this supervisor leads.
    pub leader_since: Moment,
    /// When this leader last granted a lease, and for which epoch.
    pub last_grant: Option<(Epoch, Moment)>,
    /// When this leader first saw the present epoch and phase.
    pub phase_since: Moment,
    /// Silence-caused failovers that this leader began in the last ten minutes.
    pub recent_suspicions: u32,
    /// Since when a node's reports show no open stream from a primary; kept by [`Observations::hear`].
    #[serde(default)]
    pub streamless: BTreeMap<NodeId, Moment>,
    /// Since when a node's reports show nothing from a primary: no open stream, or no byte for half a second and no
    /// position that moved. One late report is not yet silence; several in a row are. Kept by [`Observations::hear`].
    #[serde(default)]
    pub quiet: BTreeMap<NodeId, Moment>,
    /// When a node's reports last showed an open stream that was quiet; kept by [`Observations::hear`].
    #[serde(default)]
    pub wavered: BTreeMap<NodeId, Moment>,
}

/// A stream is quiet without a byte for this long: two of the primary's heartbeats.
const STREAM_QUIET_AFTER: Duration = Duration::from_millis(500);

impl Observations {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(observer: SupervisorId, now: Moment) -> Self {
        Self {
            observer,
            agents: BTreeMap::new(),
            links: BTreeMap::new(),
            voters: BTreeMap::new(),
            routers: BTreeMap::new(),
            thresholds: BTreeMap::new(),
            leader_since: now,
            last_grant: None,
            phase_since: now,
            recent_suspicions: 0,
            streamless: BTreeMap::new(),
            quiet: BTreeMap::new(),
            wavered: BTreeMap::new(),
        }
    }

    /// Takes in a report.
    pub fn hear(&mut self, at: Moment, report: AgentReport) {
        let node = report.node.clone();
        if report.source_silence.is_some() {
            self.streamless.remove(&node);
        } else {
            self.streamless.entry(node.clone()).or_insert(at);
        }
        let moved = self
            .report(&node)
            .and_then(received)
            .zip(received(&report))
            .is_some_and(|(before, after)| before != after);
        let fed = report
            .source_silence
            .is_some_and(|silence| silence <= STREAM_QUIET_AFTER);
        if moved || fed {
            self.quiet.remove(&node);
        } else {
            self.quiet.entry(node.clone()).or_insert(at);
            if report.source_silence.is_some() {
                self.wavered.insert(node.clone(), at);
            }
        }
        self.agents.insert(node, Seen { at, value: report });
    }

    /// The last report of a node, if any.
    #[must_use]
    pub fn report(&self, node: &NodeId) -> Option<&AgentReport> {
        self.agents.get(node).map(|seen| &seen.value)
    }

    /// How long a node's agent has been silent here; none if it was never heard of.
    #[must_use]
    pub fn silence(&self, node: &NodeId, now: Moment) -> Option<Duration> {
        self.agents.get(node).map(|seen| now.since(seen.at))
    }
}

/// What a running server has received.
const fn received(report: &AgentReport) -> Option<&GtidSet> {
    match &report.server {
        ServerState::Running { facts, .. } => Some(&facts.received),
        ServerState::Down { .. } | ServerState::Starting => None,
    }
}
