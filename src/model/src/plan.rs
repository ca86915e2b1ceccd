//! What shall be done, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Change, Epoch, GtidSet, Moment, NodeId, Order, RouteTable};

/// What the planner decided: dry run, explanation and live decision in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// To be committed by Raft, in this order; each rests on those before it.
    pub changes: Vec<Change>,
    /// What each node shall be. A node that is absent gets no order.
    pub orders: BTreeMap<NodeId, Order>,
    /// What the routers shall follow.
    pub routes: Option<RouteTable>,
    /// Whose door may be leased, under which epoch.
    pub lease: Option<(NodeId, Epoch)>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What is not done yet, what it waits for and until when.
    pub held_back: Vec<HeldBack>,
    /// How each node is judged.
    pub nodes: BTreeMap<NodeId, NodeVerdict>,
    /// What would happen if the primary died now.
    pub forecast: Forecast,
}

/// One justification: an observation and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What it is about: a node, a router or the cluster.
    pub about: String,
    /// What was seen and what follows.
    pub because: String,
}

/// Something that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// What.
    pub what: String,
    /// What it waits for.
    pub waiting_for: String,
    /// When it gives up or goes on without, if ever.
    pub until: Option<Moment>,
}

/// A node's place in the present epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// Holds or takes the primary term.
    Primary,
    /// Replicates.
    Replica,
    /// Neither.
    None,
}

/// A node's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Does what it shall.
    Healthy,
    /// On its way.
    Joining,
    /// Behind by more than the policy allows, or its applier stopped.
    Lagging,
    /// Server not running.
    Down,
    /// Agent not heard of.
    Silent,
    /// Holds transactions that nobody was entitled to write: needs a rebuild.
    Diverged,
    /// Not seen yet.
    Unknown,
}

/// How a node is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVerdict {
    /// Its place.
    pub role: NodeRole,
    /// Its condition.
    pub state: NodeState,
    /// What it has applied.
    pub gtid: GtidSet,
    /// How far behind, milliseconds, where known.
    pub lag_ms: Option<u64>,
    /// Why it is judged so, for people.
    pub note: String,
}

/// If the primary died now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Who would take over; none means blocked.
    pub successor: Option<NodeId>,
    /// Transactions it would have to apply first.
    pub backlog: u64,
    /// Why so, or why nobody could.
    pub note: String,
    /// Detection time that would apply to silence.
    pub silence_threshold: Option<Duration>,
}
