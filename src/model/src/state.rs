//! What is agreed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    Cause, ClusterSpec, Epoch, Evidence, GtidSet, Incarnation, NodeId, OperationId, RouterId, Timeline, UnixMillis,
};

/// Epochs kept with their evidence; older ones are in the journal only.
pub const HISTORY_MAX: usize = 64;
/// Journal entries kept; the log before them is in the supervisors' own logs.
pub const JOURNAL_MAX: usize = 1024;

/// The agreed state of one database cluster. Changed only by [`State::apply`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The declaration; none before the first leader.
    pub spec: Option<ClusterSpec>,
    /// Log index of the last applied command.
    pub index: u64,
    /// The present epoch.
    pub epoch: Epoch,
    /// How far it is.
    pub phase: Phase,
    /// Who leads the present epoch; none while [`Phase::Forming`] or [`Phase::Revoking`].
    pub primary: Option<NodeId>,
    /// Who led before, until the present epoch is open.
    pub deposed: Option<NodeId>,
    /// Ack set S: who may acknowledge, or while revoking: who must be revoked. An over-approximation at every instant.
    pub ack_set: BTreeMap<NodeId, Incarnation>,
    /// What the primary of the present epoch must hold, as agreed at its election.
    pub required: GtidSet,
    /// The operation that began the present epoch.
    pub operation: Option<Operation>,
    /// Who was entitled to write what.
    pub timeline: Timeline,
    /// Known data directories.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Admitted routers.
    pub routers: BTreeSet<RouterId>,
    /// No automatic action while set.
    pub paused: Option<Pause>,
    /// The last epochs, oldest first.
    pub history: VecDeque<EpochRecord>,
    /// The last commands in words, oldest first.
    pub journal: VecDeque<JournalEntry>,
}

/// How far the present epoch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No primary yet, ever.
    #[default]
    Forming,
    /// The old term is over; its ack set is being revoked.
    Revoking,
    /// The primary is chosen and prepares.
    Elected,
    /// Clients are served.
    Open,
}

/// The operation that began an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Why.
    pub cause: Cause,
    /// Who asked.
    pub by: String,
}

/// A known data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its lifetime id.
    pub incarnation: Incarnation,
    /// The `server_id` it writes under.
    pub server_id: u32,
}

/// Why nothing is done automatically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who paused.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: UnixMillis,
}

/// One epoch, with everything that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Why it began.
    pub cause: Cause,
    /// Who asked.
    pub by: String,
    /// Who led before.
    pub deposed: Option<NodeId>,
    /// Who leads it.
    pub primary: Option<NodeId>,
    /// Log index of the Elect entry: the fencing token.
    pub token: Option<u64>,
    /// What the primary held when elected.
    pub required: GtidSet,
    /// The positions that were compared.
    pub positions: BTreeMap<NodeId, GtidSet>,
    /// When it began, was decided and opened.
    pub began_at: UnixMillis,
    /// When the primary was elected.
    pub elected_at: Option<UnixMillis>,
    /// When it opened.
    pub opened_at: Option<UnixMillis>,
    /// What was seen, in the order of the decisions.
    pub evidence: Vec<Evidence>,
}

/// One command in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Log index.
    pub index: u64,
    /// When it was proposed.
    pub at: UnixMillis,
    /// Who asked.
    pub by: String,
    /// Its idempotency key.
    pub key: OperationId,
    /// Epoch after it.
    pub epoch: Epoch,
    /// Stable kind, for example `begin`.
    pub kind: String,
    /// What happened.
    pub what: String,
}
