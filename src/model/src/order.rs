//! What the supervisors tell an agent.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Epoch, GtidSet, NodeId, OperationId, RouterId};

/// An absolute order: what the node shall *be*. Carrying it out twice is harmless.
///
/// An agent refuses an order whose epoch is lower than its promise, and within an epoch one whose `index` is lower
/// than the highest it has seen, so a late message of a deposed leader bounces (invariants I2, I16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The epoch it belongs to.
    pub epoch: Epoch,
    /// Raft log index of the state that it was derived from.
    pub index: u64,
    /// What to be.
    pub task: Task,
}

/// What a node shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "be")]
pub enum Task {
    /// Harmless and silent: a primary is killed and booted behind the gate; a replica cuts its tunnel and stops
    /// receiving; a server that is down is booted behind the gate and salvaged. Then: positions.
    Revoke,
    /// A primary whose commits are frozen, for a handover. Ends by itself after `limit` unless a further order came.
    Freeze {
        /// Longest freeze.
        limit: Duration,
    },
    /// A replica of `source`.
    Follow {
        /// The primary.
        source: NodeId,
        /// `host:port` of its agent's door.
        source_door: String,
    },
    /// Primary to be: drain, arm, write the epoch row, wait for its acknowledgement; clients stay out.
    Promote {
        /// The operation that caused it; written into the epoch row.
        operation: OperationId,
        /// Whose acknowledgements count.
        ack_set: BTreeSet<NodeId>,
        /// What it must hold before anything else.
        required: GtidSet,
    },
    /// Primary, open to clients while leased.
    Serve {
        /// Whose acknowledgements count.
        ack_set: BTreeSet<NodeId>,
        /// Which routers are admitted.
        routers: BTreeSet<RouterId>,
    },
}

/// Leave for a primary's door to serve clients until `sent + ttl`, where `sent` is the time at which the agent
/// sent report number `seq`. Counting from its own send time makes the holder's end earlier than the grantor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// For which epoch.
    pub epoch: Epoch,
    /// The report it answers.
    pub seq: u64,
    /// How long, from the sending of that report.
    pub ttl: Duration,
}
