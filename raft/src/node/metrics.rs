//! Figures of a node, for status pages and exporters.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::Instant;
use openraft::async_runtime::WatchReceiver;
use serde::{Deserialize, Serialize};

use super::handle::Node;
use crate::types::RaftId;

/// Figures of a node at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMetrics {
    /// This node's id.
    pub id: RaftId,
    /// The term.
    pub term: u64,
    /// Who leads.
    pub leader: Option<RaftId>,
    /// Whether Raft has stopped, and why.
    pub stopped: Option<String>,
    /// Last entry in the log.
    pub last_log: Option<u64>,
    /// Last entry known to be committed.
    pub committed: Option<u64>,
    /// Last entry applied here.
    pub applied: Option<u64>,
    /// Last entry in the snapshot.
    pub snapshot: Option<u64>,
    /// Last entry purged from the log.
    pub purged: Option<u64>,
    /// On the leader: the last entry that each member is known to hold.
    pub matched: BTreeMap<RaftId, Option<u64>>,
    /// On the leader: how long ago each member answered, in milliseconds.
    pub answered_ms: BTreeMap<RaftId, u64>,
    /// Committed commands that this build could not decode; above zero, upgrade this supervisor.
    pub not_understood: u64,
}

impl Node {
    /// Figures of this node; none before it has a log.
    #[must_use]
    pub fn metrics(&self) -> Option<NodeMetrics> {
        let running = self.inner.slot.get()?;
        let answered = self.inner.answered();
        let metrics = running.raft.metrics();
        let now = metrics.borrow_watched();
        let matched = now.replication.iter().flatten();
        Some(NodeMetrics {
            id: now.id,
            term: now.current_term,
            leader: now.current_leader,
            stopped: now.running_state.as_ref().err().map(ToString::to_string),
            last_log: now.last_log_index,
            committed: now.local_committed.map(|id| id.index),
            applied: now.last_applied.map(|id| id.index),
            snapshot: now.snapshot.map(|id| id.index),
            purged: now.purged.map(|id| id.index),
            matched: matched.map(|(id, matched)| (*id, matched.map(|id| id.index))).collect(),
            answered_ms: answered
                .into_iter()
                .map(|(id, age)| (id, u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))
                .collect(),
            not_understood: running.not_understood.load(Ordering::Relaxed),
        })
    }
}

impl super::Inner {
    /// On the leader: how long ago each other member answered.
    pub(crate) fn answered(&self) -> BTreeMap<RaftId, Duration> {
        let Some(raft) = self.raft() else {
            return BTreeMap::new();
        };
        let metrics = raft.metrics();
        let now = metrics.borrow_watched();
        let answered = now.heartbeat.iter().flatten();
        answered
            .filter_map(|(id, at)| at.map(|at| (*id, at.elapsed())))
            .collect()
    }
}
