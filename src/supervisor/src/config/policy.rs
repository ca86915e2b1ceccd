//! The policy section: how to decide.

use std::time::Duration;

use quorate_model::{EmptyAckSet, Policy, ReadFence};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// How to decide. Everything has a default that suits one site with local disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Lease of a primary's door for clients.
    pub lease_ttl_ms: u64,
    /// Least silence before a primary is suspected.
    pub silence_floor_ms: u64,
    /// Most silence before a primary is suspected.
    pub silence_cap_ms: u64,
    /// How long the commit path may be stuck, with the replicas cut off, before a failover.
    pub stuck_commit_ms: u64,
    /// How long the primary's disk may take no write before a failover.
    pub stalled_disk_ms: u64,
    /// How long a replica may miss before it leaves the ack set.
    pub replica_patience_ms: u64,
    /// Longest freeze of commits in a switchover; then it is aborted.
    pub freeze_limit_ms: u64,
    /// How long a router may be away before it is forgotten.
    pub router_patience_ms: u64,
    /// Failovers on mere silence allowed in ten minutes.
    pub flap_budget: u32,
    /// When no replica can acknowledge: `block` commits, or `degrade` to unprotected ones.
    pub empty_ack_set: EmptyAckSetConfig,
    /// When a new primary may serve: `strict` waits for a proof that no one reads from the old one, `bounded` does not.
    pub read_fence: ReadFenceConfig,
}

/// When no replica can acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyAckSetConfig {
    /// Commits wait: nothing acknowledged can be lost.
    Block,
    /// Commits go on unprotected.
    Degrade,
}

/// When a new primary may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadFenceConfig {
    /// After a proof that no one reads from the old one.
    Strict,
    /// At once: a reader of the old primary may see data up to one lease old.
    Bounded,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            lease_ttl_ms: millis(policy.lease_ttl),
            silence_floor_ms: millis(policy.silence_floor),
            silence_cap_ms: millis(policy.silence_cap),
            stuck_commit_ms: millis(policy.stuck_commit),
            stalled_disk_ms: millis(policy.stalled_disk),
            replica_patience_ms: millis(policy.replica_patience),
            freeze_limit_ms: millis(policy.freeze_limit),
            router_patience_ms: millis(policy.router_patience),
            flap_budget: policy.flap_budget,
            empty_ack_set: EmptyAckSetConfig::Block,
            read_fence: ReadFenceConfig::Strict,
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl PolicyConfig {
    pub(super) fn policy(&self) -> Policy {
        Policy {
            lease_ttl: Duration::from_millis(self.lease_ttl_ms),
            silence_floor: Duration::from_millis(self.silence_floor_ms),
            silence_cap: Duration::from_millis(self.silence_cap_ms),
            stuck_commit: Duration::from_millis(self.stuck_commit_ms),
            stalled_disk: Duration::from_millis(self.stalled_disk_ms),
            replica_patience: Duration::from_millis(self.replica_patience_ms),
            freeze_limit: Duration::from_millis(self.freeze_limit_ms),
            router_patience: Duration::from_millis(self.router_patience_ms),
            flap_budget: self.flap_budget,
            empty_ack_set: match self.empty_ack_set {
                EmptyAckSetConfig::Block => EmptyAckSet::Block,
                EmptyAckSetConfig::Degrade => EmptyAckSet::Degrade,
            },
            read_fence: match self.read_fence {
                ReadFenceConfig::Strict => ReadFence::Strict,
                ReadFenceConfig::Bounded => ReadFence::Bounded,
            },
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let at_least = |field, value, least, rule| {
            if value < least {
                Err(ConfigError::Policy { field, value, rule })
            } else {
                Ok(())
            }
        };
        at_least(
            "lease_ttl_ms",
            self.lease_ttl_ms,
            500,
            "use at least 500, or short stalls close the door",
        )?;
        at_least(
            "silence_floor_ms",
            self.silence_floor_ms,
            300,
            "use at least 300, or short stalls cause failovers",
        )?;
        at_least(
            "silence_cap_ms",
            self.silence_cap_ms,
            self.silence_floor_ms,
            "use at least silence_floor_ms",
        )?;
        at_least(
            "freeze_limit_ms",
            self.freeze_limit_ms,
            50,
            "use at least 50, or no switchover succeeds",
        )?;
        at_least("replica_patience_ms", self.replica_patience_ms, 200, "use at least 200")
    }
}
