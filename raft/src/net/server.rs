//! The listener: checks whom a call is meant for, then hands it to openraft or to formation.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server as AxumServer};
use openraft::Snapshot;
use openraft::raft::AppendEntriesRequest;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::task::TaskTracker;

use super::acceptor::SupervisorAcceptor;
use super::snapshot;
use super::tls::Tls;
use super::wire::{ErrorCode, HEADER_CLUSTER, HEADER_PROTOCOL, HEADER_TARGET, PROTOCOL, WireError, path};
use crate::config::{APPEND_BYTES_MAX, COMMAND_BYTES_MAX};
use crate::formation;
use crate::node::Inner;
use crate::types::{Raft, TypeConfig};

/// Largest body of any call but a snapshot: one append, cut after its first too large entry, and room for its frame.
const BODY_BYTES_MAX: usize = APPEND_BYTES_MAX + 2 * COMMAND_BYTES_MAX;
/// From the end of the handshake to the end of the first request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls in flight on one connection.
const STREAMS_MAX: u32 = 32;

/// The running listener.
#[derive(Debug)]
pub(crate) struct Server {
    handle: Handle<SocketAddr>,
    tls: RustlsConfig,
    pub(crate) addr: SocketAddr,
}

impl Server {
    pub(crate) fn reload(&self, tls: &Tls) {
        self.tls.reload_from_config(tls.server_h2());
    }

    pub(crate) fn shutdown(&self) {
        self.handle.shutdown();
    }
}

/// Starts to listen.
pub(crate) fn serve(
    listener: TcpListener,
    tls: &Tls,
    name: ServerName<'static>,
    inner: &Arc<Inner>,
    tracker: &TaskTracker,
) -> io::Result<Server> {
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let config = RustlsConfig::from_config(tls.server_h2());
    let acceptor = SupervisorAcceptor::new(config.clone(), name);
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(acceptor)
        .handle(handle.clone())
        .first_request_timeout(FIRST_REQUEST_TIMEOUT)
        .accept_error_handler(|peer: Option<&SocketAddr>, error: &io::Error| {
            tracing::debug!(?peer, %error, "connection refused");
        })
        .http2_only();
    server.http_builder().http2().max_concurrent_streams(STREAMS_MAX);
    let service = router(Arc::clone(inner)).into_make_service();
    tracker.spawn(async move {
        if let Err(error) = serve_all(server, service).await {
            tracing::error!(%error, "the Raft listener has ended");
        }
    });
    Ok(Server {
        handle,
        tls: config,
        addr,
    })
}

async fn serve_all(
    server: AxumServer<SocketAddr, SupervisorAcceptor>,
    service: axum::routing::IntoMakeService<Router>,
) -> io::Result<()> {
    server.serve(service).await
}

fn router(inner: Arc<Inner>) -> Router {
    let addressed = Router::new()
        .route(path::APPEND, post(append))
        .route(path::VOTE, post(vote))
        .route(path::PRE_VOTE, post(pre_vote))
        .route(path::TRANSFER, post(transfer))
        .route(
            path::SNAPSHOT,
            // Bounded while it is read, by its own header.
            post(install).layer(DefaultBodyLimit::disable()),
        )
        .route_layer(middleware::from_fn_with_state(Arc::clone(&inner), check_target));
    Router::new()
        .route(path::STATUS, post(status))
        .route(path::FORM, post(form))
        .route(path::JOIN, post(join))
        .route(path::ADMIT, post(admit))
        .merge(addressed)
        .layer(middleware::from_fn(check_protocol))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(inner)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn check_protocol(request: Request, next: Next) -> Response {
    let spoken = header(request.headers(), HEADER_PROTOCOL);
    if spoken == PROTOCOL {
        return next.run(request).await;
    }
    WireError::new(
        ErrorCode::WrongProtocol,
        format!("protocol `{spoken}` is not spoken here, {PROTOCOL} is; upgrade the older supervisor"),
    )
    .into_response()
}

async fn check_target(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let (cluster, node) = (header(headers, HEADER_CLUSTER), header(headers, HEADER_TARGET));
    match inner.identity() {
        None => WireError::new(ErrorCode::NotReady, "this supervisor has no log yet"),
        Some(me) if me.cluster_id != cluster => WireError::new(
            ErrorCode::WrongCluster,
            format!("cluster `{cluster}` is meant, `{}` is here", me.cluster_id),
        ),
        Some(me) if me.node_id.to_string() != node => WireError::new(
            ErrorCode::WrongNode,
            format!("id {node} is meant, {} is here", me.node_id),
        ),
        Some(_) => return next.run(request).await,
    }
    .into_response()
}

type Answer<T> = Result<Json<T>, WireError>;

fn decode<T: DeserializeOwned>(body: &Bytes) -> Result<T, WireError> {
    serde_json::from_slice(body).map_err(|error| WireError::new(ErrorCode::BadRequest, format!("the body: {error}")))
}

fn answer<T: Serialize, E: std::fmt::Display>(result: Result<T, E>) -> Answer<T> {
    result.map(Json).map_err(WireError::stopped)
}

fn raft(inner: &Inner) -> Result<&Raft, WireError> {
    inner
        .raft()
        .ok_or_else(|| WireError::new(ErrorCode::NotReady, "this supervisor has no log yet"))
}

async fn append(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<impl Serialize> {
    let request: AppendEntriesRequest<TypeConfig> = decode(&body)?;
    inner.hear(request.vote.leader_id.voted_for);
    answer(raft(&inner)?.append_entries(request).await)
}

async fn vote(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<impl Serialize> {
    answer(raft(&inner)?.vote(decode(&body)?).await)
}

async fn pre_vote(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<impl Serialize> {
    answer(raft(&inner)?.pre_vote(decode(&body)?).await)
}

async fn transfer(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<impl Serialize> {
    answer(raft(&inner)?.handle_transfer_leader(decode(&body)?).await)
}

async fn install(State(inner): State<Arc<Inner>>, body: Body) -> Answer<impl Serialize> {
    let (header, body) = snapshot::read_in(body).await?;
    let vote = header
        .vote
        .ok_or_else(|| WireError::new(ErrorCode::BadRequest, "the header has no vote"))?;
    let snapshot = Snapshot {
        meta: header.meta,
        snapshot: body,
    };
    answer(raft(&inner)?.install_full_snapshot(vote, snapshot).await)
}

async fn status(State(inner): State<Arc<Inner>>) -> Answer<impl Serialize> {
    Ok(Json(inner.status().await))
}

async fn form(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<()> {
    inner.form(decode(&body)?).await.map(Json)
}

async fn join(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<impl Serialize> {
    formation::admission::join(&inner, decode(&body)?).await.map(Json)
}

async fn admit(State(inner): State<Arc<Inner>>, body: Bytes) -> Answer<()> {
    formation::admission::admit(&inner, decode(&body)?).await.map(Json)
}
