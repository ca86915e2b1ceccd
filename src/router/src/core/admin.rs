//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use quorate_api::clock::Clock;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::metrics::Metrics;
use crate::core::route::Route;

/// What the handlers read.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) routes: watch::Receiver<Route>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    epoch: u64,
    primary: Option<String>,
    why: Option<String>,
}

impl Admin {
    /// Answers until `stop`.
    pub(crate) async fn run(self, socket: TcpListener, stop: CancellationToken) {
        let app = Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self);
        let served = axum::serve(socket, app).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "admin listener ended");
        }
    }
}

/// Ready means: this router knows where to go, so it serves, or holds until it can. Whether a primary is open is in
/// the body only: applications that are taken out of service all at once because of a failover would be worse off.
async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    let route = admin.routes.borrow().clone();
    let (ready, open) = (route.is_known(), route.is_open());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Readiness {
        ready,
        epoch: route.epoch().0,
        primary: route.writable().map(|primary| primary.node.to_string()),
        why: (!open).then(|| route.why_closed(admin.clock.now())),
    };
    (status, Json(body))
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        admin.metrics.render(),
    )
}
