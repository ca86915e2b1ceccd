//! What a split listener may do with the servers: where reads go, and how connections to servers are shared.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where reads go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reads {
    /// Oldest state that a read may see, unless it is the session's own writing that it must see. A replica further behind
    /// is not read. What is measured has the coarseness of two readings of `monitor_ms`, so a bound below that may leave no replica.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub max_lag_ms: u64,
    /// Whether the primary takes reads.
    pub primary: ReadPrimary,
    /// How often each server's position is read.
    #[schemars(range(min = 10, max = 60_000))]
    pub monitor_ms: u64,
    /// What reads are sure to see unless the session says otherwise (`SET @quorate_causal_reads`).
    pub causal: CausalLevel,
    /// Longest wait of a read for a replica to catch up with the session; then it goes to the primary.
    #[schemars(range(min = 1, max = 60_000))]
    pub causal_wait_ms: u64,
}

/// What reads are sure to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CausalLevel {
    /// Whatever a replica has.
    None,
    /// Everything that their session was told is committed.
    #[default]
    Session,
    /// Everything that any session of this router was told is committed.
    Global,
}

/// Whether the primary takes reads outside of transactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadPrimary {
    /// Only when no replica is in the route table at all. Otherwise a read is held until a replica is fit, as long as
    /// `limits.hold_wait_ms`.
    Never,
    /// When no replica is fit.
    #[default]
    Fallback,
    /// Like a replica.
    Share,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            max_lag_ms: 1000,
            primary: ReadPrimary::Fallback,
            monitor_ms: 100,
            causal: CausalLevel::Session,
            causal_wait_ms: 1000,
        }
    }
}

impl Reads {
    pub(crate) const fn max_lag(&self) -> Duration {
        Duration::from_millis(self.max_lag_ms)
    }

    pub(crate) const fn monitor(&self) -> Duration {
        Duration::from_millis(self.monitor_ms)
    }

    pub(crate) const fn causal_wait(&self) -> Duration {
        Duration::from_millis(self.causal_wait_ms)
    }

    /// Field and problem, if there is one.
    pub(crate) fn wrong(&self) -> Option<(&'static str, String)> {
        if !(1..=3_600_000).contains(&self.max_lag_ms) {
            let problem = format!("is {}; it must be 1 to 3600000", self.max_lag_ms);
            return Some(("reads.max_lag_ms", problem));
        }
        if !(10..=60_000).contains(&self.monitor_ms) {
            let problem = format!("is {}; it must be 10 to 60000", self.monitor_ms);
            return Some(("reads.monitor_ms", problem));
        }
        if !(1..=60_000).contains(&self.causal_wait_ms) {
            let problem = format!("is {}; it must be 1 to 60000", self.causal_wait_ms);
            return Some(("reads.causal_wait_ms", problem));
        }
        None
    }
}

/// How connections to servers are shared between sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pooling {
    /// Most connections to one server, idle ones included. Beyond it sessions take turns, statement by statement.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_backends: usize,
    /// Most sessions that wait for a connection to one server.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub waiters_max: usize,
    /// Longest wait for a connection to a server.
    #[schemars(range(min = 1))]
    pub wait_ms: u64,
    /// Most idle connections kept per server; 0 switches pooling off.
    #[schemars(range(max = 100_000))]
    pub idle_max: usize,
    /// Most idle connections kept in total.
    #[schemars(range(max = 1_000_000))]
    pub idle_total: usize,
    /// How long an idle connection is kept.
    #[schemars(range(min = 1))]
    pub keep_ms: u64,
    /// How long a session without pins keeps its connection after a statement while nobody waits for one.
    pub idle_ms: u64,
}

impl Default for Pooling {
    fn default() -> Self {
        Self {
            max_backends: 512,
            waiters_max: 4096,
            wait_ms: 10_000,
            idle_max: 64,
            idle_total: 256,
            keep_ms: 60_000,
            idle_ms: 5_000,
        }
    }
}

impl Pooling {
    pub(crate) const fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    pub(crate) const fn keep(&self) -> Duration {
        Duration::from_millis(self.keep_ms)
    }

    /// How long a session without pins keeps its connection after a statement while nobody waits for one.
    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    /// Field and problem, if there is one.
    pub(crate) fn wrong(&self) -> Option<(&'static str, String)> {
        if !(1..=100_000).contains(&self.max_backends) {
            let problem = format!("is {}; it must be 1 to 100000", self.max_backends);
            return Some(("pool.max_backends", problem));
        }
        if !(1..=1_000_000).contains(&self.waiters_max) {
            let problem = format!("is {}; it must be 1 to 1000000", self.waiters_max);
            return Some(("pool.waiters_max", problem));
        }
        for (field, value) in [("pool.wait_ms", self.wait_ms), ("pool.keep_ms", self.keep_ms)] {
            if value == 0 {
                return Some((field, "is 0; no session could ever get a connection".to_owned()));
            }
        }
        None
    }
}
