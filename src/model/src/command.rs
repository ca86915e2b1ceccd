//! What is committed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ClusterSpec, Epoch, Gtid, GtidSet, Incarnation, NodeId, OperationId, RouterId, UnixMillis};

/// One Raft log entry: an irreversible fact. A repeated `key` changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Idempotency key.
    pub key: OperationId,
    /// Wall time of the proposal, for audit only.
    pub at: UnixMillis,
    /// Who asked for it: `planner` or an operator's name.
    pub by: String,
    /// What changes.
    pub change: Change,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Change {
    /// The declared cluster and policy, as the leader was configured.
    PolicyChanged {
        /// The declaration.
        spec: ClusterSpec,
    },
    /// A node's data directory became known, or was replaced.
    NodeRegistered {
        /// The node.
        node: NodeId,
        /// Its data directory.
        incarnation: Incarnation,
        /// Its `server_id`.
        server_id: u32,
    },
    /// A new epoch begins; the old primary's term is over.
    Begin {
        /// The new epoch.
        epoch: Epoch,
        /// Why.
        cause: Cause,
        /// What was seen.
        evidence: Vec<Evidence>,
    },
    /// The primary of the epoch is chosen.
    Elect {
        /// The epoch.
        epoch: Epoch,
        /// Who.
        candidate: NodeId,
        /// What it holds: nothing acknowledged lies beyond.
        required: GtidSet,
        /// Who may acknowledge under it.
        ack_set: BTreeMap<NodeId, Incarnation>,
        /// The positions that prove it.
        positions: BTreeMap<NodeId, GtidSet>,
        /// What was seen.
        evidence: Vec<Evidence>,
    },
    /// The epoch is open for clients.
    Open {
        /// The epoch.
        epoch: Epoch,
        /// GTID of its first transaction, the epoch row.
        barrier: Gtid,
        /// What was seen, the read fence included.
        evidence: Vec<Evidence>,
    },
    /// The ack set of the epoch changes.
    AckSetChanged {
        /// The epoch.
        epoch: Epoch,
        /// The new set.
        ack_set: BTreeMap<NodeId, Incarnation>,
        /// Why.
        evidence: Vec<Evidence>,
    },
    /// A router may be admitted by doors, and must confirm epochs from now on.
    RouterAdmitted {
        /// The router.
        router: RouterId,
    },
    /// A router is forgotten; no door admits it any more.
    RouterRemoved {
        /// The router.
        router: RouterId,
    },
    /// No automatic action from now on.
    Paused {
        /// Why.
        why: String,
    },
    /// Automatic action again.
    Resumed {
        /// Why.
        why: String,
    },
    /// An audit entry without effect.
    Noted {
        /// What was done.
        what: String,
        /// Why.
        why: String,
    },
}

/// Why an epoch begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// The first primary.
    Bootstrap,
    /// The primary's server ended or was restarted.
    PrimaryDown,
    /// Nothing heard of the primary.
    PrimarySilent,
    /// The primary lives but no replica can acknowledge.
    ReplicationCut,
    /// The primary's disk takes no writes.
    DiskStalled,
    /// The elected candidate was lost before it opened.
    CandidateLost,
    /// Asked for by an operator or by a planned stop.
    Switchover {
        /// Who shall take over; none means the best.
        target: Option<NodeId>,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bootstrap => f.write_str("first primary"),
            Self::PrimaryDown => f.write_str("the primary's server ended"),
            Self::PrimarySilent => f.write_str("the primary is silent"),
            Self::ReplicationCut => f.write_str("no replica can acknowledge the primary"),
            Self::DiskStalled => f.write_str("the primary's disk takes no writes"),
            Self::CandidateLost => f.write_str("the elected candidate was lost before opening"),
            Self::Switchover {
                target: Some(target),
                why,
            } => {
                write!(f, "switchover to {target}: {why}")
            }
            Self::Switchover { target: None, why } => write!(f, "switchover: {why}"),
        }
    }
}

/// One observation that a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who saw it.
    pub source: String,
    /// What was seen.
    pub fact: String,
}

impl Evidence {
    /// An observation of `source`.
    #[must_use]
    pub fn new(source: impl fmt::Display, fact: impl Into<String>) -> Self {
        Self {
            source: source.to_string(),
            fact: fact.into(),
        }
    }
}

/// The answer to a committed command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    /// It took effect.
    Applied {
        /// Its log index.
        index: u64,
    },
    /// It was applied before under the same key.
    Repeated {
        /// The first one's log index.
        index: u64,
    },
    /// It had no effect.
    Refused {
        /// Why.
        why: Refusal,
    },
}

/// Why a committed command had no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Refusal {
    /// It belongs to another epoch.
    StaleEpoch {
        /// The agreed epoch.
        current: Epoch,
    },
    /// The phase does not allow it.
    WrongPhase {
        /// For people.
        why: String,
    },
    /// It names a node that is not declared.
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// Already so.
    NoChange,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleEpoch { current } => write!(f, "stale epoch: epoch {current} is agreed"),
            Self::WrongPhase { why } => f.write_str(why),
            Self::UnknownNode { node } => write!(f, "node `{node}` is not declared"),
            Self::NoChange => f.write_str("already so"),
        }
    }
}
