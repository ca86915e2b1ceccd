//! What is wanted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, NodeId};

/// The declared cluster: its nodes and its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSpec {
    /// Deployment id; foreign peers are refused.
    pub cluster: ClusterId,
    /// Name for people.
    pub name: String,
    /// The MariaDB nodes.
    pub nodes: BTreeMap<NodeId, NodeSpec>,
    /// How to decide.
    #[serde(default)]
    pub policy: Policy,
}

/// One MariaDB node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// `host:port` of its agent's door.
    pub door: String,
    /// Higher is preferred among equally advanced candidates; 0 never leads.
    #[serde(default = "default_priority")]
    pub priority: u32,
}

const fn default_priority() -> u32 {
    100
}

/// What to do when the last replica able to acknowledge is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyAckSet {
    /// Commits wait: nothing acknowledged can be lost.
    #[default]
    Block,
    /// Commits go on unprotected; automatic promotion is then refused until an ack set exists again.
    Degrade,
}

/// What a new primary waits for before it serves clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadFence {
    /// The old agent's confirmation, or every router's, or the end of the lease.
    #[default]
    Strict,
    /// Nothing: a reader of the old primary may see data up to one lease old.
    Bounded,
}

/// The cluster's declared policy. Durations are written in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Lease of a primary's door for clients.
    #[serde(rename = "lease_ttl_ms", with = "millis")]
    pub lease_ttl: Duration,
    /// Least silence before a primary is suspected; the adaptive threshold never goes below.
    #[serde(rename = "silence_floor_ms", with = "millis")]
    pub silence_floor: Duration,
    /// Most silence before a primary is suspected.
    #[serde(rename = "silence_cap_ms", with = "millis")]
    pub silence_cap: Duration,
    /// How long the commit path may be stuck, with replicas cut off, before a failover.
    #[serde(rename = "stuck_commit_ms", with = "millis")]
    pub stuck_commit: Duration,
    /// How long the primary's disk may not take a write before a failover.
    #[serde(rename = "stalled_disk_ms", with = "millis")]
    pub stalled_disk: Duration,
    /// How long a replica may miss before it leaves the ack set.
    #[serde(rename = "replica_patience_ms", with = "millis")]
    pub replica_patience: Duration,
    /// Longest freeze of commits in a switchover; then it is aborted.
    #[serde(rename = "freeze_limit_ms", with = "millis")]
    pub freeze_limit: Duration,
    /// How long a router may be away before it is forgotten.
    #[serde(rename = "router_patience_ms", with = "millis")]
    pub router_patience: Duration,
    /// Silence-caused failovers allowed per ten minutes; those with a proven death are never limited.
    pub flap_budget: u32,
    /// When no replica can acknowledge.
    pub empty_ack_set: EmptyAckSet,
    /// When a new primary may serve.
    pub read_fence: ReadFence,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_millis(1500),
            silence_floor: Duration::from_millis(600),
            silence_cap: Duration::from_millis(2000),
            stuck_commit: Duration::from_millis(1000),
            stalled_disk: Duration::from_millis(1500),
            replica_patience: Duration::from_millis(1000),
            freeze_limit: Duration::from_millis(500),
            router_patience: Duration::from_secs(60),
            flap_budget: 10,
            empty_ack_set: EmptyAckSet::Block,
            read_fence: ReadFence::Strict,
        }
    }
}

impl Policy {
    /// How long a grantor waits until every lease that it granted has ended on the holder's clock, given clocks
    /// that drift by at most 1 %: `TTL·(1+ρ)/(1−ρ) + 50 ms`.
    #[must_use]
    pub fn lease_wait(&self) -> Duration {
        let micros = self.lease_ttl.as_micros().saturating_mul(101).div_ceil(99);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).saturating_add(Duration::from_millis(50))
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
