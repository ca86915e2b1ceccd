//! Health and metrics of this agent. Local facts only: whether replication works is not its liveness.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use quorate_model::{AgentReport, DoorState, LeaseKind, ServerState};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::door::Gate;

type Heard = watch::Receiver<Option<AgentReport>>;

/// Serves `/healthz`, `/readyz` and `/metrics`.
pub(crate) async fn serve(listener: TcpListener, heard: Heard, gate: Arc<Gate>, stop: CancellationToken) {
    let ready = heard.clone();
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move { readiness(ready.borrow().as_ref()) }),
        )
        .route(
            "/metrics",
            get(move || async move { metrics(heard.borrow().as_ref(), &gate) }),
        );
    let served = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::error!(%error, "the health listener ended");
    }
}

fn readiness(report: Option<&AgentReport>) -> (StatusCode, String) {
    match report {
        Some(report) if matches!(report.server, ServerState::Running { .. }) => (StatusCode::OK, "ready\n".to_owned()),
        Some(report) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the server is {:?}\n", report.server),
        ),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the agent has just begun\n".to_owned()),
    }
}

fn metrics(report: Option<&AgentReport>, gate: &Gate) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    let (clients, replicas) = gate.count();
    gauge(
        "quorate_agent_clients",
        "Client connections inside the door.",
        count(clients),
    );
    gauge(
        "quorate_agent_replicas",
        "Replication streams inside the door.",
        count(replicas),
    );
    let Some(report) = report else { return text };
    gauge(
        "quorate_agent_promised_epoch",
        "Highest epoch promised.",
        report.promised.0,
    );
    gauge(
        "quorate_agent_fenced_epoch",
        "Highest epoch under which this node is harmless.",
        report.fenced.0,
    );
    let open = matches!(report.door, DoorState::Open { .. });
    gauge("quorate_agent_open", "Whether clients may write here.", u64::from(open));
    let failsafe = report.lease == LeaseKind::Failsafe;
    gauge(
        "quorate_agent_failsafe",
        "Whether clients are served without the supervisors.",
        u64::from(failsafe),
    );
    gauge(
        "quorate_agent_findings",
        "Guarantees that the doctor found broken.",
        count(report.findings.len()),
    );
    if let ServerState::Running { facts, .. } = &report.server {
        let unprotected = facts.unprotected_commits;
        gauge(
            "quorate_agent_unprotected_commits",
            "Commits that no replica acknowledged.",
            unprotected,
        );
        gauge(
            "quorate_agent_waiting_commits",
            "Commits that wait for an acknowledgement.",
            facts.waiting_commits,
        );
        if let Some(lag_ms) = facts.lag_ms {
            gauge(
                "quorate_agent_lag_milliseconds",
                "Age of the newest heartbeat applied here.",
                lag_ms,
            );
        }
    }
    text
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
