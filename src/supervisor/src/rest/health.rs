//! Probes, metrics, the document and the page for people. None of them needs a token: they hold no secret.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use quorate_api::rest::ErrorCode;

use super::error::ApiError;
use super::server::Api;

/// The process is alive. Says nothing about peers, so that their loss restarts nobody.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = str)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// A leader is known; the leader itself also needs a quorum's word.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, body = str), (status = 503, body = quorate_api::rest::ErrorBody)))]
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    let ready = api
        .look(|machine, now| !machine.leads() || machine.may_act(now))
        .await?;
    if ready && api.node.leader().is_some() {
        return Ok("ready\n");
    }
    Err(ApiError::new(
        ErrorCode::NoQuorum,
        "no leader with a quorum is known",
        "see that a majority of the supervisors runs",
    ))
}

/// For Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = str)))]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let text = api.metrics.as_ref().map_or_else(String::new, |metrics| {
        metrics.run_upkeep();
        metrics.render()
    });
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// This API as an OpenAPI document.
pub(super) async fn document() -> impl IntoResponse {
    Json(super::openapi())
}

/// The page for people.
pub(super) async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";
    ([(CONTENT_SECURITY_POLICY, policy)], Html(include_str!("page.html")))
}
