//! Calls to peers. One connection per peer and purpose, dropped as soon as it looks dead.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Body, Client, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tls::Tls;
use super::wire::{HEADER_CLUSTER, HEADER_PROTOCOL, HEADER_TARGET, PROTOCOL, WireError};
use crate::config::{ConfigError, split_addr};
use crate::types::RaftId;

/// A connection that let so many calls in a row run out of time is replaced.
const TIMEOUTS_MAX: u32 = 2;
/// Answers are small, all of them.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Proof of life.
    Heartbeat,
    /// Appends, votes, transfers.
    Log,
    /// Snapshots.
    Snapshot,
    /// Status, formation, admission.
    Control,
}

/// A call that got no answer, or a refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The answer did not come in time.
    #[error("no answer from {addr} within {timeout:?}")]
    Timeout { addr: String, timeout: Duration },
    /// No connection, or it broke.
    #[error("cannot reach {addr}: {cause}")]
    Unreachable { addr: String, cause: String },
    /// The peer refused.
    #[error("{addr} refused: {error}")]
    Refused { addr: String, error: Box<WireError> },
    /// The answer is not what belongs there.
    #[error("{addr} gave an answer that does not decode: {cause}")]
    Garbled { addr: String, cause: String },
}

/// Whom a call is meant for, checked by the receiver.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) cluster_id: String,
    pub(crate) node_id: RaftId,
}

/// All connections to peers.
#[derive(Debug)]
pub(crate) struct Peers {
    tls: ArcSwap<rustls::ClientConfig>,
    server_name: String,
    connect_timeout: Duration,
    open: Mutex<HashMap<(String, Purpose), Arc<Peer>>>,
}

/// One connection, replaced when it looks dead.
#[derive(Debug)]
pub(crate) struct Peer {
    addr: String,
    base: String,
    client: ArcSwap<Client>,
    timeouts: AtomicU32,
    build: Build,
}

#[derive(Debug, Clone)]
struct Build {
    tls: Arc<rustls::ClientConfig>,
    host: Arc<str>,
    port: u16,
    connect_timeout: Duration,
}

impl Peers {
    pub(crate) fn new(tls: &Tls, server_name: String, connect_timeout: Duration) -> Self {
        Self {
            tls: ArcSwap::new(Arc::clone(&tls.client)),
            server_name,
            connect_timeout,
            open: Mutex::default(),
        }
    }

    /// New certificates: every later call connects anew.
    pub(crate) fn reload(&self, tls: &Tls) {
        self.tls.store(Arc::clone(&tls.client));
        self.lock().clear();
    }

    /// The connection to `addr` for `purpose`.
    pub(crate) fn get(&self, addr: &str, purpose: Purpose) -> Result<Arc<Peer>, CallError> {
        let unreachable = |cause: String| CallError::Unreachable {
            addr: addr.to_owned(),
            cause,
        };
        let key = (addr.to_owned(), purpose);
        let mut open = self.lock();
        if let Some(peer) = open.get(&key) {
            return Ok(Arc::clone(peer));
        }
        let (host, port) = split_addr(addr).map_err(|error: ConfigError| unreachable(error.to_string()))?;
        let build = Build {
            tls: self.tls.load_full(),
            host: host.into(),
            port,
            connect_timeout: self.connect_timeout,
        };
        let client = build.client().map_err(|e| unreachable(e.to_string()))?;
        let peer = Arc::new(Peer {
            addr: addr.to_owned(),
            base: format!("https://{}:{port}", self.server_name),
            client: ArcSwap::from_pointee(client),
            timeouts: AtomicU32::new(0),
            build,
        });
        open.insert(key, Arc::clone(&peer));
        Ok(peer)
    }

    /// Forgets connections to addresses that are no longer in use.
    pub(crate) fn retain(&self, wanted: impl Fn(&str) -> bool) {
        self.lock().retain(|(addr, _), _| wanted(addr));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, Purpose), Arc<Peer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Build {
    fn client(&self) -> reqwest::Result<Client> {
        Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .https_only(true)
            .http2_prior_knowledge()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(self.clone()))
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .tcp_user_timeout(self.connect_timeout * 2)
            .pool_max_idle_per_host(1)
            .build()
    }
}

/// The URL names the role (for TLS), this says where it is: resolved at each connect, so a moved peer is found again.
impl Resolve for Build {
    fn resolve(&self, _name: Name) -> Resolving {
        let (host, port) = (Arc::clone(&self.host), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((&*host, port)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Peer {
    /// Calls with a JSON body.
    pub(crate) async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        target: Option<&Target>,
        request: &Q,
        timeout: Duration,
    ) -> Result<A, CallError> {
        let body = serde_json::to_vec(request).map_err(|error| self.garbled(error))?;
        self.send(path, target, body.into(), timeout).await
    }

    /// Calls with any body.
    pub(crate) async fn send<A: DeserializeOwned>(
        &self,
        path: &str,
        target: Option<&Target>,
        body: Body,
        timeout: Duration,
    ) -> Result<A, CallError> {
        let client = self.client.load_full();
        let mut request = client
            .post(format!("{}{path}", self.base))
            .header(HEADER_PROTOCOL, PROTOCOL)
            .header("content-type", "application/json")
            .body(body);
        if let Some(target) = target {
            request = request
                .header(HEADER_CLUSTER, &target.cluster_id)
                .header(HEADER_TARGET, target.node_id);
        }
        match tokio::time::timeout(timeout, receive(request)).await {
            Ok(Ok((accepted, bytes))) => {
                self.timeouts.store(0, Ordering::Relaxed);
                self.parse(accepted, &bytes)
            }
            Ok(Err(error)) => {
                // A broken connection may linger in the pool; the next call shall not find it.
                if !error.is_connect() {
                    self.replace();
                }
                Err(CallError::Unreachable {
                    addr: self.addr.clone(),
                    cause: innermost(&error),
                })
            }
            Err(_) => {
                if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_MAX {
                    self.replace();
                }
                let addr = self.addr.clone();
                Err(CallError::Timeout { addr, timeout })
            }
        }
    }

    fn parse<A: DeserializeOwned>(&self, accepted: bool, bytes: &[u8]) -> Result<A, CallError> {
        if accepted {
            return serde_json::from_slice(bytes).map_err(|error| self.garbled(error));
        }
        match serde_json::from_slice(bytes) {
            Ok(error) => Err(CallError::Refused {
                addr: self.addr.clone(),
                error: Box::new(error),
            }),
            Err(error) => Err(self.garbled(error)),
        }
    }

    fn replace(&self) {
        self.timeouts.store(0, Ordering::Relaxed);
        if let Ok(client) = self.build.client() {
            self.client.store(Arc::new(client));
        }
    }

    fn garbled(&self, error: impl std::fmt::Display) -> CallError {
        CallError::Garbled {
            addr: self.addr.clone(),
            cause: error.to_string(),
        }
    }
}

/// Whether the status is a success, and the body.
async fn receive(request: reqwest::RequestBuilder) -> Result<(bool, Vec<u8>), reqwest::Error> {
    let mut response = request.send().await?;
    let accepted = response.status().is_success();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok((accepted, bytes))
}

/// reqwest's own text repeats the URL; the cause at the bottom says what happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
