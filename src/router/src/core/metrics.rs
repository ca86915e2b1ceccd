//! What the router counts. Label values are closed sets, so their number is bounded.

use std::fmt;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    with_local_recorder,
};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::core::fleet_metrics::{self, FleetMetrics};
use crate::core::listener::Port;
use crate::core::session_metrics::{self, SessionMetrics};

const HOLD_BUCKETS_S: [f64; 10] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Every metric of one router. Handles are made once; nothing is looked up by name while serving.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    /// What becomes of split sessions.
    pub(crate) sessions: SessionMetrics,
    /// Servers and connections to them.
    pub(crate) fleet: FleetMetrics,
    /// Client connections now.
    pub(crate) connections: Gauge,
    /// Client connections that wait now.
    pub(crate) held: Gauge,
    /// Epoch followed.
    pub(crate) epoch: Gauge,
    /// Epoch confirmed.
    pub(crate) confirmed: Gauge,
    /// Links up.
    pub(crate) links: Gauge,
    /// From accepting a client until it has a server.
    pub(crate) hold_seconds: Histogram,
    /// Connections ended because their epoch ended.
    pub(crate) cut: Counter,
    /// Failures to write the state file.
    pub(crate) disk_failures: Counter,
    /// Bytes from clients to servers.
    pub(crate) bytes_up: Counter,
    /// Bytes from servers to clients.
    pub(crate) bytes_down: Counter,
    opened: [Counter; 3],
    refused: [Counter; 4],
    door_failures: [Counter; 4],
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Why a client was sent away with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `max_connections`.
    Full,
    /// `hold_max`.
    HoldFull,
    /// `hold_wait_ms`.
    HoldExpired,
    /// The router stops.
    Stopping,
}

/// Why a door was not passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoorFailure {
    /// No TCP connection.
    Connect,
    /// No TLS session or frame.
    Talk,
    /// The door said no.
    Refused,
    /// Too slow.
    Timeout,
}

impl Metrics {
    /// Registers everything with a recorder of its own, so that several routers fit into one process.
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&HOLD_BUCKETS_S)?.build_recorder();
        let handle = recorder.handle();
        with_local_recorder(&recorder, describe);
        Ok(with_local_recorder(&recorder, || Self {
            handle,
            sessions: SessionMetrics::new(),
            fleet: FleetMetrics::new(),
            connections: gauge!("quorate_router_connections"),
            held: gauge!("quorate_router_held_connections"),
            epoch: gauge!("quorate_router_epoch"),
            confirmed: gauge!("quorate_router_confirmed_epoch"),
            links: gauge!("quorate_router_links"),
            hold_seconds: histogram!("quorate_router_hold_seconds"),
            cut: counter!("quorate_router_cut_connections_total"),
            disk_failures: counter!("quorate_router_state_file_failures_total"),
            bytes_up: counter!("quorate_router_bytes_total", "direction" => "to_server"),
            bytes_down: counter!("quorate_router_bytes_total", "direction" => "to_client"),
            opened: [Port::Rw, Port::Ro, Port::Tunnel]
                .map(|port| counter!("quorate_router_opened_total", "listener" => port.name())),
            refused: ["max_connections", "hold_max", "hold_wait", "stopping"]
                .map(|why| counter!("quorate_router_refused_total", "limit" => why)),
            door_failures: ["connect", "talk", "refused", "timeout"]
                .map(|why| counter!("quorate_router_door_failures_total", "cause" => why)),
        }))
    }

    /// A client was let through.
    pub(crate) fn opened(&self, port: Port) {
        let [rw, ro, tunnel] = &self.opened;
        match port {
            Port::Rw => rw.increment(1),
            Port::Ro => ro.increment(1),
            Port::Tunnel => tunnel.increment(1),
        }
    }

    /// A client was sent away.
    pub(crate) fn refused(&self, why: Refused) {
        let [full, hold_full, hold_expired, stopping] = &self.refused;
        match why {
            Refused::Full => full.increment(1),
            Refused::HoldFull => hold_full.increment(1),
            Refused::HoldExpired => hold_expired.increment(1),
            Refused::Stopping => stopping.increment(1),
        }
    }

    /// A door was not passed.
    pub(crate) fn door_failed(&self, why: DoorFailure) {
        let [connect, talk, refused, timeout] = &self.door_failures;
        match why {
            DoorFailure::Connect => connect.increment(1),
            DoorFailure::Talk => talk.increment(1),
            DoorFailure::Refused => refused.increment(1),
            DoorFailure::Timeout => timeout.increment(1),
        }
    }

    /// Prometheus text.
    pub(crate) fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Folds histogram samples together; without it they pile up between scrapes.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn describe() {
    session_metrics::describe();
    fleet_metrics::describe();
    describe_gauge!("quorate_router_connections", "Client connections that have a server.");
    describe_gauge!(
        "quorate_router_held_connections",
        "Client connections that wait for a server."
    );
    describe_gauge!("quorate_router_epoch", "Epoch that is followed.");
    describe_gauge!(
        "quorate_router_confirmed_epoch",
        "Epoch below which no connection is left, as told to supervisors."
    );
    describe_gauge!("quorate_router_links", "Supervisors that are connected.");
    describe_histogram!(
        "quorate_router_hold_seconds",
        "From accepting a client until it has a server."
    );
    describe_counter!("quorate_router_opened_total", "Clients that got a server, by listener.");
    describe_counter!(
        "quorate_router_refused_total",
        "Clients that got an error, by the limit that was reached."
    );
    describe_counter!(
        "quorate_router_cut_connections_total",
        "Connections ended because their epoch ended."
    );
    describe_counter!(
        "quorate_router_door_failures_total",
        "Attempts at a door that failed, by cause."
    );
    describe_counter!("quorate_router_bytes_total", "Bytes relayed, by direction.");
    describe_counter!(
        "quorate_router_state_file_failures_total",
        "Failures to put the route table on disk."
    );
}

/// A gauge's value; exact up to 2^53, far above any epoch or count here.
#[expect(clippy::cast_precision_loss, reason = "gauges are f64 by the exposition format")]
pub(crate) const fn gauge_value(value: u64) -> f64 {
    value as f64
}
