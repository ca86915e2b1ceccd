//! What routers follow.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Epoch, NodeId, RouterId};

/// Where a node can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The node.
    pub node: NodeId,
    /// `host:port` of its agent's door.
    pub door: String,
}

/// An immutable routing snapshot. `writable` is none while the epoch is not open: then new connections are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Whose table.
    pub cluster: ClusterId,
    /// The epoch; a router never lowers its highest.
    pub epoch: Epoch,
    /// Raft log index of the state that it was derived from.
    pub index: u64,
    /// Grows with each change between two log entries (a replica came or went).
    pub revision: u64,
    /// The primary, if its epoch is open.
    pub writable: Option<Endpoint>,
    /// Who becomes the primary once its epoch opens: routers may wait at its door, which lets nobody in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elected: Option<Endpoint>,
    /// Where reads may go, best first; empty means the primary.
    pub readable: Vec<Endpoint>,
}

impl RouteTable {
    /// Order of issue: by epoch, log index and revision.
    #[must_use]
    pub fn cmp_issue(&self, other: &Self) -> Ordering {
        (self.epoch, self.index, self.revision).cmp(&(other.epoch, other.index, other.revision))
    }
}

/// A router's confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterReport {
    /// Who.
    pub router: RouterId,
    /// It has no connection left of an epoch below this one, and never will.
    pub confirmed: Epoch,
    /// The table in use.
    pub index: u64,
    /// Client connections open.
    pub connections: u64,
    /// Client connections waiting for a primary.
    pub held: u64,
}
