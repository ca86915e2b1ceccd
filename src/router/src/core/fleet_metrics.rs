//! What is counted of servers and of connections to them. Label values are closed sets; nodes are none of them.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::core::metrics::gauge_value;

/// Handles, made once.
pub(crate) struct FleetMetrics {
    reads_on_primary: [Counter; 4],
    replicas: [Gauge; 4],
    lag_max: Gauge,
    monitor_failures: [Counter; 3],
    backends: [Gauge; 2],
    waiters: Gauge,
    granted: [Counter; 2],
    not_granted: [Counter; 3],
    sessions: Gauge,
}

/// Why a read went to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnPrimary {
    NoReplicas,
    Lag,
    Failed,
    Shared,
}

/// Why a position could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MonitorFailure {
    /// No connection.
    Connect,
    /// No answer on it.
    Query,
    /// The position went back: another state than before.
    WentBack,
}

/// How a session got its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granted {
    Idle,
    Dial,
}

/// Why it got none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotGranted {
    Full,
    TooLong,
    Ended,
}

/// Replicas of the table by what may be read there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Replicas {
    pub(crate) fit: u64,
    pub(crate) lagging: u64,
    pub(crate) unknown: u64,
    pub(crate) failed: u64,
    pub(crate) lag_max: Duration,
}

impl FleetMetrics {
    /// Registers with the recorder that is in place.
    pub(crate) fn new() -> Self {
        Self {
            reads_on_primary: ["no_replicas", "lag", "failed", "shared"]
                .map(|why| counter!("quorate_router_reads_on_primary_total", "because" => why)),
            replicas: ["fit", "lagging", "unknown", "failed"]
                .map(|state| gauge!("quorate_router_replicas", "state" => state)),
            lag_max: gauge!("quorate_router_replica_lag_seconds_max"),
            monitor_failures: ["connect", "query", "went_back"]
                .map(|cause| counter!("quorate_router_monitor_failures_total", "cause" => cause)),
            backends: ["idle", "busy"].map(|state| gauge!("quorate_router_backends", "state" => state)),
            waiters: gauge!("quorate_router_backend_waiters"),
            granted: ["idle", "dial"].map(|how| counter!("quorate_router_backends_granted_total", "from" => how)),
            not_granted: ["waiters_max", "wait", "epoch"]
                .map(|why| counter!("quorate_router_backends_not_granted_total", "because" => why)),
            sessions: gauge!("quorate_router_sessions"),
        }
    }

    /// A read went to the primary.
    pub(crate) fn read_on_primary(&self, because: OnPrimary) {
        let [none, lag, failed, shared] = &self.reads_on_primary;
        match because {
            OnPrimary::NoReplicas => none.increment(1),
            OnPrimary::Lag => lag.increment(1),
            OnPrimary::Failed => failed.increment(1),
            OnPrimary::Shared => shared.increment(1),
        }
    }

    /// A position could not be read.
    pub(crate) fn monitor_failed(&self, cause: MonitorFailure) {
        let [connect, query, went_back] = &self.monitor_failures;
        match cause {
            MonitorFailure::Connect => connect.increment(1),
            MonitorFailure::Query => query.increment(1),
            MonitorFailure::WentBack => went_back.increment(1),
        }
    }

    /// A session got a connection.
    pub(crate) fn granted(&self, how: Granted) {
        let [idle, dial] = &self.granted;
        match how {
            Granted::Idle => idle.increment(1),
            Granted::Dial => dial.increment(1),
        }
    }

    /// A session got none.
    pub(crate) fn not_granted(&self, why: NotGranted) {
        let [full, too_long, ended] = &self.not_granted;
        match why {
            NotGranted::Full => full.increment(1),
            NotGranted::TooLong => too_long.increment(1),
            NotGranted::Ended => ended.increment(1),
        }
    }

    /// The state of the replicas.
    pub(crate) fn replicas(&self, now: Replicas) {
        let [fit, lagging, unknown, failed] = &self.replicas;
        for (gauge, value) in [
            (fit, now.fit),
            (lagging, now.lagging),
            (unknown, now.unknown),
            (failed, now.failed),
        ] {
            gauge.set(gauge_value(value));
        }
        self.lag_max.set(now.lag_max.as_secs_f64());
    }

    /// Connections to servers: on the shelf, in all, and sessions that wait for one.
    pub(crate) fn backends(&self, (idle, open, waiting): (usize, usize, usize)) {
        let [resting, busy] = &self.backends;
        let count = |value: usize| gauge_value(u64::try_from(value).unwrap_or(u64::MAX));
        resting.set(count(idle));
        busy.set(count(open.saturating_sub(idle)));
        self.waiters.set(count(waiting));
    }

    /// Client sessions.
    pub(crate) fn sessions(&self, count: usize) {
        self.sessions.set(gauge_value(u64::try_from(count).unwrap_or(u64::MAX)));
    }
}

/// Help texts.
pub(crate) fn describe() {
    describe_counter!(
        "quorate_router_reads_on_primary_total",
        "Reads that went to the primary although a replica might have taken them, by reason."
    );
    describe_gauge!(
        "quorate_router_replicas",
        "Replicas of the route table, by whether they may be read."
    );
    describe_gauge!(
        "quorate_router_replica_lag_seconds_max",
        "How far the slowest measured replica is behind."
    );
    describe_counter!(
        "quorate_router_monitor_failures_total",
        "Readings of a server's position that failed, by cause."
    );
    describe_gauge!("quorate_router_backends", "Connections to servers, by state.");
    describe_gauge!(
        "quorate_router_backend_waiters",
        "Sessions that wait for a connection to a server (`pool.max_backends`)."
    );
    describe_counter!(
        "quorate_router_backends_granted_total",
        "Connections that sessions got, by whether one was idle or had to be dialled."
    );
    describe_counter!(
        "quorate_router_backends_not_granted_total",
        "Sessions that got no connection, by reason."
    );
    describe_gauge!("quorate_router_sessions", "Client sessions of the split listeners.");
}
