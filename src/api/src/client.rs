//! A client of the REST API that knows all supervisors.
//!
//! A read is answered by the first supervisor that can; what needs the leader follows `not_leader` answers to it, and waits out an
//! election. A request that changes something is sent again only when it is certain that it did not arrive.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::rest::{
    ActionReply, DoctorView, EpochList, EpochView, ErrorBody, ErrorCode, EventPage, ExplainView, RaftView,
    ReasonRequest, RouteView, StatusView, SwitchoverRequest, TransferRequest,
};

mod error;
mod stream;

pub use error::ClientError;
pub use stream::EventStream;

/// How long a connection may take. Supervisors are near, and there are others.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long an answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a leader to be elected.
const ELECTION_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two rounds over all supervisors.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Talks to the supervisors of one deployment.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    bases: Vec<String>,
    token: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("bases", &self.bases)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for supervisors at `bases` (for example `https://127.0.0.1:7001`), whose certificates the roots in `ca_pem` signed.
    ///
    /// # Errors
    /// If there is no base URL or the roots are unusable.
    pub fn new(bases: Vec<String>, token: impl Into<String>, ca_pem: &[u8]) -> Result<Self, ClientError> {
        if bases.is_empty() {
            return Err(ClientError::NoSupervisor);
        }
        let tls = error::tls(ca_pem)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(ClientError::Setup)?;
        let bases = bases
            .into_iter()
            .map(|base| base.trim_end_matches('/').to_owned())
            .collect();
        Ok(Self {
            http,
            bases,
            token: token.into(),
        })
    }

    /// Every cluster at a glance, from the leader if there is one.
    ///
    /// # Errors
    /// If no supervisor answers.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        let first: StatusView = self.read("/v1/status").await?;
        if first.from_leader {
            return Ok(first);
        }
        // The leader sees more; without one, a follower's view is what there is.
        let leader = first.clusters.iter().flat_map(|cluster| &cluster.supervisors);
        let leader = leader
            .filter(|supervisor| supervisor.role == crate::rest::MemberRole::Leader)
            .map(|it| &it.api)
            .next();
        match leader {
            Some(api) => Ok(self
                .once(api, &Method::GET, "/v1/status", None::<&()>)
                .await
                .unwrap_or(first)),
            None => Ok(first),
        }
    }

    /// The last epochs, with their evidence.
    ///
    /// # Errors
    /// If no supervisor answers.
    pub async fn epochs(&self) -> Result<EpochList, ClientError> {
        self.read("/v1/epochs").await
    }

    /// One epoch.
    ///
    /// # Errors
    /// If no supervisor answers, or the epoch is not known.
    pub async fn epoch(&self, epoch: u64) -> Result<EpochView, ClientError> {
        self.read(&format!("/v1/epochs/{epoch}")).await
    }

    /// The leader's plan and what it holds back.
    ///
    /// # Errors
    /// If there is no leader.
    pub async fn explain(&self) -> Result<ExplainView, ClientError> {
        self.read("/v1/explain").await
    }

    /// What the doctors found.
    ///
    /// # Errors
    /// If there is no leader.
    pub async fn doctor(&self) -> Result<DoctorView, ClientError> {
        self.read("/v1/doctor").await
    }

    /// The committed decisions after a log index, or the newest ones.
    ///
    /// # Errors
    /// If no supervisor answers.
    pub async fn events(&self, after: Option<u64>, limit: Option<u16>) -> Result<EventPage, ClientError> {
        let mut path = String::from("/v1/events?");
        if let Some(after) = after {
            path.push_str(&format!("after={after}&"));
        }
        if let Some(limit) = limit {
            path.push_str(&format!("limit={limit}"));
        }
        self.read(&path).await
    }

    /// The committed decisions after a log index (or from now on), as they come.
    ///
    /// # Errors
    /// If no supervisor answers.
    pub async fn watch_events(&self, after: Option<u64>) -> Result<EventStream, ClientError> {
        let path = after.map_or_else(
            || "/v1/events/stream".to_owned(),
            |after| format!("/v1/events/stream?after={after}"),
        );
        let mut tried = Vec::new();
        for base in &self.bases {
            let request = self.http.get(format!("{base}{path}")).bearer_auth(&self.token);
            match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(EventStream::new(answer)),
                Ok(answer) => return Err(error::refused(answer).await),
                Err(error) => tried.push((base.clone(), error::chain(&error))),
            }
        }
        Err(ClientError::Unreachable { tried })
    }

    /// The Raft group.
    ///
    /// # Errors
    /// If no supervisor answers.
    pub async fn raft(&self) -> Result<RaftView, ClientError> {
        self.read("/v1/raft").await
    }

    /// What routers follow.
    ///
    /// # Errors
    /// If there is no leader.
    pub async fn routes(&self) -> Result<RouteView, ClientError> {
        self.read("/v1/routes").await
    }

    /// Asks for a switchover. It is begun when this returns, and done when the epoch in the answer is open.
    ///
    /// # Errors
    /// If it is refused or no leader answers.
    pub async fn switchover(&self, request: &SwitchoverRequest) -> Result<ActionReply, ClientError> {
        self.call(&Method::POST, "/v1/switchover", Some(request)).await
    }

    /// Pauses automatic action.
    ///
    /// # Errors
    /// If it is refused or no leader answers.
    pub async fn pause(&self, request: &ReasonRequest) -> Result<ActionReply, ClientError> {
        self.call(&Method::POST, "/v1/pause", Some(request)).await
    }

    /// Resumes automatic action.
    ///
    /// # Errors
    /// If it is refused or no leader answers.
    pub async fn resume(&self, request: &ReasonRequest) -> Result<ActionReply, ClientError> {
        self.call(&Method::POST, "/v1/resume", Some(request)).await
    }

    /// Hands Raft leadership over.
    ///
    /// # Errors
    /// If it is refused or no leader answers.
    pub async fn transfer(&self, request: &TransferRequest) -> Result<ActionReply, ClientError> {
        self.call(&Method::POST, "/v1/raft/transfer", Some(request)).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(&Method::GET, path, None::<&()>).await
    }

    /// Goes round the supervisors until one answers for good.
    async fn call<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let deadline = Instant::now() + ELECTION_PATIENCE;
        let mut hint: Option<String> = None;
        loop {
            let mut tried = Vec::new();
            let mut electing = None;
            let first = hint.take();
            let bases = first
                .iter()
                .chain(self.bases.iter().filter(|base| Some(*base) != first.as_ref()));
            for base in bases {
                match self.once(base, method, path, body).await {
                    Ok(answer) => return Ok(answer),
                    Err(ClientError::Unreachable { tried: mut failed }) => tried.append(&mut failed),
                    Err(ClientError::Refused(body)) if is_passing(&body) => {
                        let leader = body.leader_api.clone().filter(|leader| leader != base);
                        electing = Some(body);
                        if leader.is_some() && leader != first {
                            hint = leader;
                            break;
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= deadline || (electing.is_none() && hint.is_none()) {
                return Err(electing.map_or(ClientError::Unreachable { tried }, ClientError::Refused));
            }
            if hint.is_none() {
                sleep(ROUND_PAUSE).await;
            }
        }
    }

    async fn once<T: DeserializeOwned>(
        &self,
        base: &str,
        method: &Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let mut request = self.http.request(method.clone(), format!("{base}{path}"));
        request = request.bearer_auth(&self.token).timeout(REQUEST_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            // What changes nothing may be asked again elsewhere; what changes something only if it never arrived.
            Err(error) if *method == Method::GET || error.is_connect() || error.is_builder() => {
                return Err(ClientError::Unreachable {
                    tried: vec![(base.to_owned(), error::chain(&error))],
                });
            }
            Err(error) => {
                return Err(ClientError::Uncertain {
                    base: base.to_owned(),
                    source: error,
                });
            }
        };
        if answer.status() != StatusCode::OK && answer.status() != StatusCode::ACCEPTED {
            return Err(error::refused(answer).await);
        }
        answer.json().await.map_err(|source| ClientError::Answer {
            base: base.to_owned(),
            source,
        })
    }
}

/// Whether another supervisor, or this one after an election, would answer otherwise.
fn is_passing(body: &ErrorBody) -> bool {
    matches!(body.code, ErrorCode::NotLeader | ErrorCode::NoQuorum)
}
