//! `GET`: what is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Response};
use quorate_api::rest::{
    DoctorView, EpochList, EpochView, ErrorBody, ErrorCode, EventPage, EventQuery, ExplainView, RaftView, RouteView,
    StatusView,
};

use super::auth::Viewer;
use super::error::ApiError;
use super::extract::{Path, Query};
use super::server::Api;
use super::{views, watch};

type Answer<T> = Result<Json<T>, ApiError>;

/// Every cluster at a glance.
///
/// A follower answers from its own observations; `from_leader` says so.
#[utoipa::path(get, path = "/v1/status", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = StatusView), (status = 401, body = ErrorBody)))]
pub(super) async fn status(_: Viewer, State(api): State<Arc<Api>>) -> Answer<StatusView> {
    let raft = api.raft_view();
    api.look(move |machine, now| views::status(machine, now, &raft))
        .await
        .map(Json)
}

/// The last epochs, each with everything that it rests on.
#[utoipa::path(get, path = "/v1/epochs", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = EpochList), (status = 401, body = ErrorBody)))]
pub(super) async fn epochs(_: Viewer, State(api): State<Arc<Api>>) -> Answer<EpochList> {
    Ok(Json(EpochList {
        epochs: api.node.state().history.iter().map(views::epoch).collect(),
    }))
}

/// One epoch.
#[utoipa::path(get, path = "/v1/epochs/{epoch}", tag = "read", security(("bearer" = [])),
    params(("epoch" = u64, Path, description = "Its number")), responses(
    (status = 200, body = EpochView), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn epoch(_: Viewer, State(api): State<Arc<Api>>, Path(number): Path<u64>) -> Answer<EpochView> {
    let state = api.node.state();
    let found = state.history.iter().find(|record| record.epoch.0 == number);
    found
        .map(|record| Json(views::epoch(record)))
        .ok_or_else(|| ApiError::unknown("epoch", &number.to_string()))
}

/// The leader's plan: what it does, why, and what it holds back until when.
#[utoipa::path(get, path = "/v1/explain", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = ExplainView), (status = 401, body = ErrorBody), (status = 421, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn explain(_: Viewer, State(api): State<Arc<Api>>) -> Answer<ExplainView> {
    api.must_lead()?;
    api.look(views::explain).await.map(Json)
}

/// Which guarantee is weaker than declared, node by node.
#[utoipa::path(get, path = "/v1/doctor", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = DoctorView), (status = 401, body = ErrorBody), (status = 421, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn doctor(_: Viewer, State(api): State<Arc<Api>>) -> Answer<DoctorView> {
    api.must_lead()?;
    api.look(views::doctor).await.map(Json)
}

/// The committed decisions, oldest first. As server-sent events with `Accept: text/event-stream`.
#[utoipa::path(get, path = "/v1/events", tag = "read", security(("bearer" = [])), params(EventQuery), responses(
    (status = 200, body = EventPage), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub(super) async fn events(
    caller: Viewer,
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Query(query): Query<EventQuery>,
) -> Result<Response, ApiError> {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("text/event-stream")) {
        return watch::events(caller, State(api), Query(query)).await;
    }
    let limit = query.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::new(
            ErrorCode::Malformed,
            format!("limit is {limit}"),
            "use 1 to 1000",
        ));
    }
    Ok(Json(views::events(&api.node.state(), query.after, usize::from(limit))).into_response())
}

/// The supervisors as a Raft group.
#[utoipa::path(get, path = "/v1/raft", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = RaftView), (status = 401, body = ErrorBody)))]
pub(super) async fn raft(_: Viewer, State(api): State<Arc<Api>>) -> Answer<RaftView> {
    Ok(Json(api.raft_view()))
}

/// What routers follow.
#[utoipa::path(get, path = "/v1/routes", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = RouteView), (status = 401, body = ErrorBody), (status = 421, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn routes(_: Viewer, State(api): State<Arc<Api>>) -> Answer<RouteView> {
    api.must_lead()?;
    let table = api.routes.borrow().as_ref().map(views::route);
    table.map(Json).ok_or_else(|| ApiError::not_leader(None))
}
