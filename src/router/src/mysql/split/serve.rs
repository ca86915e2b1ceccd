//! The split listener: what all its sessions share, and a session's first and last moments.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use bytes::BytesMut;
use quorate_api::clock::Clock;
use quorate_model::NodeId;
use rand::Rng as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::client::Client;
use super::codes::SERVER_SHUTDOWN;
use super::session::{End, Session, State, Watch};
use crate::Config;
use crate::config::ProxyProtocol;
use crate::core::connections::Connections;
use crate::core::hold::Hold;
use crate::core::listener::Slot;
use crate::core::metrics::{Metrics, Refused};
use crate::core::route::Route;
use crate::mysql::auth::front::Front;
use crate::mysql::auth::greet::{Greeted, Peer, greet};
use crate::mysql::auth::pattern::Origin;
use crate::mysql::auth::proxy_protocol::Proxies;
use crate::mysql::door::Visitor;
use crate::mysql::fleet::key::PoolKey;
use crate::mysql::fleet::pool::Pool;
use crate::mysql::fleet::positions::Fleet;
use crate::mysql::fleet::registry::{Enrolled, Registry};
use crate::mysql::recover::marker::Marker;
use crate::mysql::recover::resolve::Resolver;
use crate::mysql::refusal::{Code, packet};
use crate::mysql::session::needs::Needs;
use crate::mysql::stats::digests::Digests;
use crate::mysql::stats::slow::SlowStatements;
use crate::mysql::tunnel::linger;
use crate::mysql::wire::capabilities::{Capabilities, Dialect};
use crate::mysql::wire::forward::Forward;
use crate::mysql::wire::ok::Status;
use crate::mysql::wire::write::{OkFields, put_ok};

/// Where a connection comes from and where it came to.
type Ends = (SocketAddr, SocketAddr);

/// What all sessions share.
pub(crate) struct Split {
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) routes: watch::Receiver<Route>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) hold: Arc<Hold>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) pool: Arc<Pool<PoolKey, Backend>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) resolver: Resolver,
    pub(crate) digests: Digests,
    pub(crate) slow: SlowStatements,
    /// Replicas by the numbers that the statistics know them by.
    pub(crate) replicas: Mutex<Vec<NodeId>>,
    pub(crate) front: Arc<Front>,
    /// Who puts a PROXY header before everything else.
    pub(crate) proxies: Proxies,
    /// As of now; some of it may change while sessions live.
    pub(crate) config: Arc<ArcSwap<Config>>,
    /// Whose turn it is among equal replicas.
    pub(crate) turn: AtomicUsize,
    /// No new sessions, and the open ones end when they are between two transactions.
    pub(crate) stopping: CancellationToken,
    /// No sessions at all.
    pub(crate) stopped: CancellationToken,
}

impl Split {
    /// Serves one client from its first moment to its last.
    pub(crate) async fn serve(self: Arc<Self>, mut client: TcpStream, slot: Option<Slot>) {
        if client.set_nodelay(true).is_err() {
            return;
        }
        let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let address = client.peer_addr().unwrap_or(unknown);
        let local = client.local_addr().unwrap_or(unknown);
        if slot.is_none() {
            return self.full(client).await;
        }
        let patience = self.live().limits.handshake();
        let Some(address) = self.proxies.origin(&mut client, address, patience).await else {
            return;
        };
        let card = self.registry.enroll("rw", address, self.clock.now());
        let peer = Peer {
            origin: match self.live().server.proxy_protocol {
                ProxyProtocol::None => Origin::socket(),
                ProxyProtocol::V1 | ProxyProtocol::V2 => Origin::address(address.ip()),
            },
            connection: card.id,
        };
        let greeted = tokio::select! {
            greeted = greet(client, &self.front, &peer, &self.stopping) => greeted,
            () = self.stopped.cancelled() => return,
        };
        match greeted {
            Ok(greeted) => Box::pin(self.hold_session(greeted, card, peer, (address, local))).await,
            Err(error) => tracing::debug!(%address, %error, "a client did not get in"),
        }
        drop(slot);
    }

    async fn hold_session(self: Arc<Self>, greeted: Greeted<TcpStream>, card: Enrolled, peer: Peer, ends: Ends) {
        let Greeted {
            stream,
            login,
            sequence,
            scramble,
        } = greeted;
        card.set_user(&login.user);
        card.set_database(login.database.as_deref().unwrap_or_default());
        let capabilities = Capabilities::from_bits(login.capabilities);
        let state = State::new(
            Marker::new(rand::rng().random()),
            login.database.as_deref().map(Box::from),
            Status::AUTOCOMMIT,
            self.live().reads.causal.into(),
        );
        let mut session = Session {
            watch: Watch::new(&self),
            split: self,
            card,
            client: Client::new(stream),
            peer,
            scramble,
            capabilities,
            wire_dialect: Dialect::of(capabilities),
            login,
            state,
            primary: None,
            replica: None,
            forward: Forward::new(),
            ends,
            sequence,
        };
        let end = match session.greeted(sequence).await {
            Ok(()) => session.run().await,
            Err(end) => end,
        };
        session.farewell(&end).await;
    }

    async fn full(&self, mut client: TcpStream) {
        self.metrics.refused(Refused::Full);
        let max = self.live().limits.max_connections;
        let text = format!(
            "quorate router {}: {max} connections are open already (`max_connections`)",
            self.visitor.router
        );
        // The client may have gone; then nobody needs the answer.
        let _ = client.write_all(&packet(Code::TooManyConnections, &text)).await;
        drop(linger(client).await);
    }

    /// The settings as of now.
    pub(super) fn live(&self) -> Guard<Arc<Config>> {
        self.config.load()
    }

    /// How clients are received.
    pub(super) fn front(&self) -> Arc<Front> {
        self.front.clone()
    }

    /// The number by which the statistics know a node; the same as long as the router runs.
    pub(super) fn number(&self, node: &NodeId) -> u8 {
        let mut replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        let known = replicas.iter().position(|known| known == node);
        let at = known.unwrap_or_else(|| {
            replicas.push(node.clone());
            replicas.len().saturating_sub(1)
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    /// The node of a number.
    pub(super) fn numbered(&self, number: u8) -> Option<String> {
        let replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        replicas.get(usize::from(number)).map(NodeId::to_string)
    }

    /// Counts choices among equals.
    pub(super) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

impl Session {
    /// Logs in at the primary, so that the servers' own verdict on the login counts, and tells the client.
    pub(super) async fn greeted(&mut self, sequence: u8) -> Result<(), End> {
        self.sequence = sequence;
        let decision = Self::towards(crate::mysql::session::route::Side::Primary, "the login");
        let job = super::job::Job {
            command: crate::mysql::wire::command::Command::Ping,
            len: 0,
            whole: true,
            needs: Needs::UNKNOWN,
            wire: super::job::Wire::AsIs,
        };
        if self.attach(&decision, &job).await?.is_none() {
            return Err(End::Told("no primary for the login".to_owned()));
        }
        self.sequence = 1;
        if let Some(primary) = &self.primary {
            self.state.status = primary.status.lasting();
        }
        self.state.dialect = self.first_dialect();
        let mut out = BytesMut::new();
        let ok = OkFields {
            status: self.state.status,
            ..OkFields::default()
        };
        put_ok(&mut out, sequence, &ok);
        self.client.send(&out).await.map_err(|error| End::Client(Some(error)))
    }

    /// Ends the session: the servers' connections go back or are closed, and the client gets what was written to it.
    async fn farewell(mut self, end: &End) {
        tracing::debug!(session = self.card.id, %end, "a session ends");
        if matches!(end, End::Stopped) && self.is_logging_in() {
            // Nothing is known but that it waits; the connection is closed all the same.
            let text = "quorate router: this router is being stopped; connect again";
            let telling = self.send_error(SERVER_SHUTDOWN.0, SERVER_SHUTDOWN.1, text);
            let _ = tokio::time::timeout(super::run::FAREWELL, telling).await;
        }
        if matches!(end, End::Client(None) | End::Stopped) {
            for side in [
                crate::mysql::session::route::Side::Primary,
                crate::mysql::session::route::Side::Replica,
            ] {
                self.release(side);
            }
        }
        self.primary = None;
        self.replica = None;
        if !matches!(end, End::Client(_) | End::Torn(_)) {
            // It may be gone already.
            let _ = tokio::time::timeout(super::run::FAREWELL, self.client.stream.shutdown()).await;
        }
    }
}
