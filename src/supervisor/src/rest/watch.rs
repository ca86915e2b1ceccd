//! Server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use quorate_api::rest::{ErrorBody, ErrorCode, EventQuery, EventView, RouteView};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::auth::Viewer;
use super::error::ApiError;
use super::extract::Query;
use super::server::Api;
use super::views;

/// A silent stream says so this often, so that proxies keep it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Events read from the state at once.
const PAGE: usize = 256;

/// The committed decisions as they come, from `after` or from now on. `event: gap` says that some are no longer kept.
#[utoipa::path(get, path = "/v1/events/stream", tag = "read", security(("bearer" = [])), params(EventQuery), responses(
    (status = 200, body = EventView, content_type = "text/event-stream"), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub(super) async fn events(
    _: Viewer,
    State(api): State<Arc<Api>>,
    Query(query): Query<EventQuery>,
) -> Result<Response, ApiError> {
    let permit = permit(&api)?;
    let states = api.node.watch_state();
    let after = query.after.unwrap_or_else(|| states.borrow().state.index);
    let begin = (states, after, VecDeque::<Event>::new(), permit);
    let events = stream::unfold(begin, |(mut states, mut after, mut ready, permit)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Some((Ok(event), (states, after, ready, permit)));
            }
            let state = states.borrow_and_update().state.clone();
            let page = views::events(&state, Some(after), PAGE);
            if page.gap {
                ready.push_back(Event::default().event("gap").data("{}"));
            }
            after = page.next;
            ready.extend(page.events.iter().map(|event| json(event).id(event.index.to_string())));
            if ready.is_empty() && states.changed().await.is_err() {
                return None;
            }
        }
    });
    Ok(respond(&api, events))
}

/// The route table, now and whenever it changes.
#[utoipa::path(get, path = "/v1/routes/watch", tag = "read", security(("bearer" = [])), responses(
    (status = 200, body = RouteView, content_type = "text/event-stream"), (status = 401, body = ErrorBody),
    (status = 421, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn routes(_: Viewer, State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    api.must_lead()?;
    let permit = permit(&api)?;
    let mut tables = api.routes.clone();
    tables.mark_changed();
    let events = stream::unfold((tables, permit), |(mut tables, permit)| async move {
        loop {
            tables.changed().await.ok()?;
            let table = tables.borrow_and_update().as_ref().map(views::route);
            if let Some(table) = table {
                return Some((Ok(json(&table)), (tables, permit)));
            }
        }
    });
    Ok(respond(&api, events))
}

fn json(value: &impl Serialize) -> Event {
    Event::default()
        .json_data(value)
        .unwrap_or_else(|_| Event::default().event("error"))
}

fn permit(api: &Api) -> Result<OwnedSemaphorePermit, ApiError> {
    let busy = || ApiError::new(ErrorCode::Busy, "too many streams are open", "close some, or poll");
    api.streams.clone().try_acquire_owned().map_err(|_| busy())
}

/// The stream ends with the supervisor, so that it does not hold up its stop.
fn respond(api: &Api, events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    use futures_util::StreamExt as _;
    let stop = api.stop.clone();
    let events = events.take_until(async move { stop.cancelled().await });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}
