//! `GET /v1/status`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every cluster at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Who answers.
    pub answered_by: String,
    /// Whether the answer is the leader's. A follower answers from its own observations.
    pub from_leader: bool,
    /// The clusters.
    pub clusters: Vec<ClusterStatus>,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// Its name for people.
    pub name: String,
    /// The deployment's id.
    pub cluster: String,
    /// The present epoch.
    pub epoch: u64,
    /// How far it is.
    pub phase: PhaseView,
    /// For how long, in milliseconds, as seen by who answers.
    pub phase_ms: u64,
    /// Who leads, or is elected to.
    pub primary: Option<String>,
    /// Its nodes, by id.
    pub nodes: Vec<NodeStatus>,
    /// Who may acknowledge a commit.
    pub ack_set: Vec<String>,
    /// The supervisors, by id.
    pub supervisors: Vec<SupervisorStatus>,
    /// The admitted routers, by id.
    pub routers: Vec<RouterStatus>,
    /// What would happen if the primary died now.
    pub forecast: ForecastView,
    /// Set while automatic action is paused.
    pub paused: Option<PauseView>,
    /// What is not done yet, and what it waits for.
    pub held_back: Vec<HeldBackView>,
    /// Defects that stop the planner, and warnings about nodes. Empty when all is well.
    pub alarms: Vec<String>,
}

/// How far an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseView {
    /// No primary yet, ever.
    Forming,
    /// The old term is over; its ack set is being revoked.
    Revoking,
    /// Revoking for longer than a few seconds: see what is held back.
    Blocked,
    /// The primary is chosen and prepares.
    Elected,
    /// Clients are served.
    Open,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Its id.
    pub id: String,
    /// Its place in the present epoch.
    pub role: NodeRoleView,
    /// Its condition.
    pub state: NodeStateView,
    /// What it has applied.
    pub gtid: String,
    /// How far behind, in milliseconds, where known.
    pub lag_ms: Option<u64>,
    /// Why it is judged so.
    pub note: String,
    /// `host:port` of its door.
    pub door: String,
}

/// A node's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeRoleView {
    /// Holds or takes the primary term.
    Primary,
    /// Replicates.
    Replica,
    /// Neither.
    None,
}

/// A node's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStateView {
    /// Does what it shall.
    Healthy,
    /// On its way.
    Joining,
    /// Too far behind, or its applier stopped.
    Lagging,
    /// Server not running.
    Down,
    /// Agent not heard of.
    Silent,
    /// Needs a rebuild.
    Diverged,
    /// Not seen yet.
    Unknown,
}

/// One supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SupervisorStatus {
    /// Its id.
    pub id: String,
    /// Its place in Raft.
    pub role: super::MemberRole,
    /// Its term; known of the one who answers, and of the leader through it.
    pub term: u64,
    /// Base URL of its REST API.
    pub api: String,
}

/// One router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouterStatus {
    /// Its id.
    pub id: String,
    /// It has no connection of an epoch below this one; none if it was not heard of here.
    pub confirmed: Option<u64>,
    /// Client connections open.
    pub connections: Option<u64>,
    /// Client connections waiting for a primary.
    pub held: Option<u64>,
    /// Milliseconds since it was last heard of here.
    pub silent_ms: Option<u64>,
}

/// What would happen if the primary died now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForecastView {
    /// Who would take over; none means blocked.
    pub successor: Option<String>,
    /// Transactions that it would have to apply first.
    pub backlog: u64,
    /// Why so, or why nobody could.
    pub note: String,
    /// How long a silence would be taken for a death, in milliseconds.
    pub silence_threshold_ms: Option<u64>,
}

/// Automatic action is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PauseView {
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// Something that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldBackView {
    /// What.
    pub what: String,
    /// What it waits for.
    pub waiting_for: String,
    /// In how many milliseconds it gives up or goes on without, if ever.
    pub until_ms: Option<u64>,
}
