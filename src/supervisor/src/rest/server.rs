//! The listener, its limits, and what handlers share.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request as HttpRequest};
use axum::http::Uri;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsConfig, from_tcp_rustls};
use metrics_exporter_prometheus::PrometheusHandle;
use quorate_api::rest::{ErrorCode, MemberRole, MemberView, RaftView};
use quorate_api::tls::Tls;
use quorate_model::{Moment, RouteTable};
use quorate_raft::Node;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::auth::Keys;
use super::error::ApiError;
use super::{document, health};
use crate::config::{Config, PeerConfig};
use crate::core::Input;
use crate::error::Error;
use crate::machine::{Done, Machine, Request};
use crate::metric;

/// Largest body. The largest honest one holds a reason of 500 bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// For one answer; streams are answered at once and then go on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// For the machine's answer to a change.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long open requests may take when the supervisor stops.
const GRACE: Duration = Duration::from_secs(1);
/// Streams that may be open at once.
pub(super) const STREAMS_MAX: usize = 128;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(super) me: String,
    pub(super) cluster: String,
    pub(super) peers: Vec<PeerConfig>,
    pub(super) keys: Arc<Keys>,
    pub(super) node: Node,
    pub(super) core: mpsc::Sender<Input>,
    pub(super) routes: watch::Receiver<Option<RouteTable>>,
    pub(super) metrics: Option<PrometheusHandle>,
    pub(super) streams: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl Api {
    pub(crate) fn new(
        config: &Config,
        keys: Arc<Keys>,
        node: Node,
        core: mpsc::Sender<Input>,
        routes: watch::Receiver<Option<RouteTable>>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            me: config.id.clone(),
            cluster: config.cluster.name.clone(),
            peers: config.peers.clone(),
            keys,
            node,
            core,
            routes,
            metrics: metric::install(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            stop,
        }
    }

    /// Looks at the machine.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Machine, Moment) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (answer, answered) = oneshot::channel();
        // A caller who went away needs no answer.
        let look = Box::new(move |machine: &Machine, now| drop(answer.send(look(machine, now))));
        self.core
            .send(Input::Look(look))
            .await
            .map_err(|_| ApiError::stopping())?;
        answered.await.map_err(|_| ApiError::stopping())
    }

    /// Asks the machine for a change.
    pub(super) async fn ask(&self, by: String, request: Request) -> Result<Done, ApiError> {
        let (answer, answered) = oneshot::channel();
        self.core
            .send(Input::Ask { by, request, answer })
            .await
            .map_err(|_| ApiError::stopping())?;
        let uncertain = || {
            ApiError::new(
                ErrorCode::Uncertain,
                "not committed in time; it may still be",
                "look at the events before you repeat it",
            )
        };
        let answer = timeout(ASK_TIMEOUT, answered).await.map_err(|_| uncertain())?;
        answer
            .map_err(|_| uncertain())?
            .map_err(|denied| ApiError::denied(denied, self.leader()))
    }

    /// Who leads: name and base URL.
    pub(super) fn leader(&self) -> Option<(String, String)> {
        self.node
            .leader()
            .map(|(_, member)| (member.name, member.api_addr))
            .filter(|(name, _)| *name != self.me)
    }

    pub(super) fn must_lead(&self) -> Result<(), ApiError> {
        let leadership = *self.node.leadership().borrow();
        if leadership.role == quorate_raft::Role::Leader {
            return Ok(());
        }
        Err(ApiError::not_leader(self.leader()))
    }

    pub(super) fn must_know(&self, cluster: Option<&str>) -> Result<(), ApiError> {
        match cluster {
            Some(name) if name != self.cluster => Err(ApiError::unknown("cluster", name)),
            _ => Ok(()),
        }
    }

    /// The Raft group as this node knows it, with every configured peer.
    pub(super) fn raft_view(&self) -> RaftView {
        let leadership = *self.node.leadership().borrow();
        let members = self.node.members();
        let role = |name: &str| {
            let member = members.iter().find(|(_, member, _)| member.name == name);
            member.map_or(MemberRole::Absent, |(id, _, votes)| match votes {
                _ if leadership.leader == Some(*id) => MemberRole::Leader,
                true => MemberRole::Follower,
                false => MemberRole::Learner,
            })
        };
        let members = self.peers.iter().map(|peer| MemberView {
            id: peer.id.clone(),
            role: role(&peer.id),
            raft: peer.raft.clone(),
            api: peer.api.clone(),
        });
        let leader = self.node.leader().map(|(_, member)| member.name);
        RaftView {
            answered_by: self.me.clone(),
            term: leadership.term,
            leader,
            quorum_ms: self
                .node
                .quorum_acked_age()
                .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            applied: self.node.state().index,
            members: members.collect(),
        }
    }
}

/// Everything that the API answers.
fn router(api: Arc<Api>) -> Router {
    let (documented, _) = document::routes().split_for_parts();
    documented
        .route("/openapi.json", get(health::document))
        .route("/", get(health::page))
        .fallback(async |uri: Uri| {
            ApiError::new(
                ErrorCode::NotFound,
                format!("there is no `{}`", uri.path()),
                "see /openapi.json",
            )
        })
        .method_not_allowed_fallback(async |uri: Uri| {
            let message = format!("`{}` has no such method", uri.path());
            ApiError::new(ErrorCode::MethodNotAllowed, message, "see /openapi.json")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(within_limits))
        .with_state(api)
}

async fn within_limits(request: HttpRequest, next: Next) -> Response {
    let begin = Instant::now();
    let response = timeout(REQUEST_TIMEOUT, next.run(request)).await;
    metric::request(begin.elapsed().as_secs_f64());
    response.unwrap_or_else(|_| ApiError::timeout().into_response())
}

/// Serves until the API's stop token is cancelled.
pub(crate) async fn serve(listener: TcpListener, tls: &Tls, api: Api) -> Result<(), Error> {
    let stop = api.stop.clone();
    let handle = Handle::new();
    let config = RustlsConfig::from_config(tls.server_https());
    let server = from_tcp_rustls(listener, config)
        .map_err(Error::Serve)?
        .handle(handle.clone());
    let serving = server.serve(router(Arc::new(api)).into_make_service());
    let stopping = async {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(GRACE));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = serving => served.map_err(Error::Serve),
        () = stopping => Ok(()),
    }
}
