//! Takes connections in: who are you, what for, under which epoch?

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::link::{DoorHello, DoorWelcome, LinkError, PROTOCOL, Purpose, RefusalCode, receive, send};
use quorate_api::tls::{PeerName, Role, Tls, peer_name};
use quorate_model::{ClusterId, Epoch, NodeId};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::{Gate, Guest, Pass, Refusal};
use super::{client, failsafe, replica};
use crate::machine::Event;

/// A greeting that takes longer is not from a peer.
const GREETING_MAX: Duration = Duration::from_secs(3);
/// A plain MySQL client says nothing until the server does; whoever is silent for this long is one.
const PLAIN_AFTER: Duration = Duration::from_millis(250);
/// How long a replica waits for a primary that still prepares. Shorter than it waits for our answer.
const PATIENCE: Duration = Duration::from_millis(1000);
/// How long a router's connection waits, if it wants to, for a door that opens. Routers come as soon as a primary is elected, so
/// that their handshakes are done when it opens; without this each of them would greet in vain, pause, and greet again just
/// when cores are wanted most. Longer than an election takes that goes well, and shorter than routers wait for an answer.
const CLIENT_PATIENCE: Duration = Duration::from_millis(500);
/// Routers' connections that wait at once; further ones are refused, and come again. What eight routers dial at once.
const CLIENTS_WAITING_MAX: usize = 512;
/// Greetings at once.
const GREETINGS_MAX: usize = 128;
/// A peer that acknowledges nothing for this long is gone.
const PEER_GONE_AFTER_MS: u32 = 5_000;
/// Questions to one agent that wait at once.
const ASKS_MAX: usize = 4;
/// After a failure to accept, for instance because of too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// The listening side of the door.
pub(crate) struct Listener {
    pub(crate) gate: Arc<Gate>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) cluster: ClusterId,
    pub(crate) socket: PathBuf,
    pub(crate) direct_clients: bool,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tasks: TaskTracker,
    /// [`room_to_wait`].
    pub(crate) waiting: Semaphore,
}

/// Room for routers' connections that wait for one door.
pub(crate) fn room_to_wait() -> Semaphore {
    Semaphore::new(CLIENTS_WAITING_MAX)
}

/// No waiting for more bytes, and an end to connections whose other side is gone.
pub(crate) fn quicken(stream: &TcpStream) {
    let _best_effort = stream.set_nodelay(true);
    let _best_effort = set_tcp_user_timeout(stream, PEER_GONE_AFTER_MS);
}

impl Listener {
    pub(crate) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let acceptor = TlsAcceptor::from(self.tls.server_mutual());
        let greetings = Arc::new(Semaphore::new(GREETINGS_MAX));
        let shared = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, from)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let Ok(greeting) = greetings.clone().try_acquire_owned() else {
                tracing::warn!(%from, "too many connections greet the door at once");
                continue;
            };
            quicken(&stream);
            let (door, acceptor, stop) = (shared.clone(), acceptor.clone(), stop.clone());
            shared.tasks.spawn(async move {
                let visit = async {
                    if let Err(error) = door.greet(stream, &acceptor, greeting).await {
                        tracing::debug!(%from, %error, "a connection to the door ended");
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = visit => {}
                }
            });
        }
    }

    async fn greet(
        &self,
        stream: TcpStream,
        acceptor: &TlsAcceptor,
        greeting: tokio::sync::OwnedSemaphorePermit,
    ) -> io::Result<()> {
        if self.direct_clients {
            let mut first = [0];
            if timeout(PLAIN_AFTER, stream.peek(&mut first)).await.is_err() {
                drop(greeting);
                return self.plain_client(stream).await;
            }
        }
        let greeted = timeout(GREETING_MAX, async {
            let mut tls = acceptor.accept(stream).await?;
            let peer = peer_name(tls.get_ref().1.peer_certificates().unwrap_or_default())?;
            let hello: DoorHello = receive(&mut tls).await.map_err(broken)?;
            io::Result::Ok((tls, peer, hello))
        });
        let (tls, peer, hello) = greeted.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        drop(greeting);
        self.serve(tls, &peer, hello).await
    }

    async fn plain_client(&self, stream: TcpStream) -> io::Result<()> {
        let guest = Guest::Client {
            router: None,
            write: true,
            epoch: self.gate.epoch(),
        };
        // A plain client has no frame in which a refusal could be said: it is just closed.
        let Ok(pass) = self.gate.admit(guest, None) else {
            return Ok(());
        };
        let server = UnixStream::connect(&self.socket).await?;
        client::relay(stream, server, &pass).await
    }

    async fn serve(&self, mut tls: TlsStream<TcpStream>, peer: &PeerName, hello: DoorHello) -> io::Result<()> {
        if let Err((code, why)) = self.identify(peer, &hello) {
            return refuse(&mut tls, code, self.gate.epoch(), why).await;
        }
        let epoch = hello.epoch;
        match hello.purpose {
            Purpose::Client { router, write, waits } => {
                let router = Some(router);
                let guest = Guest::Client { router, write, epoch };
                let room = self.waiting.try_acquire().ok().filter(|_| waits);
                let patience = room.as_ref().map_or(Duration::ZERO, |_| CLIENT_PATIENCE);
                let entered = self.enter(&mut tls, guest, patience).await?;
                drop(room);
                let Some((pass, server)) = entered else {
                    return Ok(());
                };
                client::relay(tls, server, &pass).await
            }
            Purpose::Replicate { node } => {
                let guest = Guest::Replica { node, epoch };
                let Some((pass, server)) = self.enter(&mut tls, guest, PATIENCE).await? else {
                    return Ok(());
                };
                replica::relay(tls, server, pass).await
            }
            Purpose::Failsafe { node } => self.failsafe(tls, node, epoch).await,
        }
    }

    fn identify(&self, peer: &PeerName, hello: &DoorHello) -> Result<(), (RefusalCode, String)> {
        if hello.protocol != PROTOCOL {
            let why = format!("protocol {} is not {PROTOCOL}; upgrade the older side", hello.protocol);
            return Err((RefusalCode::Protocol, why));
        }
        if hello.cluster != self.cluster {
            let why = format!("cluster `{}` is not `{}`", hello.cluster, self.cluster);
            return Err((RefusalCode::ForeignCluster, why));
        }
        let (role, name) = match &hello.purpose {
            Purpose::Client { router, .. } => (Role::Router, router.as_str()),
            Purpose::Replicate { node } | Purpose::Failsafe { node } => (Role::Agent, node.as_str()),
        };
        if peer.role != role || peer.name != name {
            let why = format!(
                "the certificate is `{peer}`, the greeting says `{}`",
                role.dns_name(name)
            );
            return Err((RefusalCode::WrongName, why));
        }
        Ok(())
    }

    /// Admits, perhaps after a while, and connects to the server, or refuses in words.
    async fn enter(
        &self,
        tls: &mut TlsStream<TcpStream>,
        guest: Guest,
        patience: Duration,
    ) -> io::Result<Option<(Pass, UnixStream)>> {
        let admitted = self.gate.admit_patiently(guest, None, patience).await;
        let pass = match admitted {
            Ok(pass) => pass,
            Err(Refusal { code, epoch, why }) => {
                refuse(tls, code, epoch, why).await?;
                return Ok(None);
            }
        };
        match UnixStream::connect(&self.socket).await {
            Ok(server) => {
                welcome(tls, pass.epoch).await?;
                Ok(Some((pass, server)))
            }
            Err(error) => {
                let why = format!("the server's socket refuses ({error})");
                refuse(tls, RefusalCode::NotOpen, pass.epoch, why).await?;
                Ok(None)
            }
        }
    }

    async fn failsafe(&self, mut tls: TlsStream<TcpStream>, node: NodeId, epoch: Epoch) -> io::Result<()> {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let guest = Guest::Failsafe {
            node: node.clone(),
            epoch,
        };
        match self.gate.admit_patiently(guest, Some(asks), PATIENCE).await {
            Ok(pass) => {
                welcome(&mut tls, pass.epoch).await?;
                failsafe::ask(tls, &pass, node, asked, &self.events).await
            }
            Err(Refusal { code, epoch, why }) => refuse(&mut tls, code, epoch, why).await,
        }
    }
}

async fn welcome(tls: &mut TlsStream<TcpStream>, epoch: Epoch) -> io::Result<()> {
    send(tls, &DoorWelcome::Admitted { epoch }).await.map_err(broken)
}

async fn refuse(tls: &mut TlsStream<TcpStream>, code: RefusalCode, epoch: Epoch, why: String) -> io::Result<()> {
    tracing::debug!(?code, why, "refused at the door");
    let refusal = DoorWelcome::Refused { code, epoch, why };
    send(tls, &refusal).await.map_err(broken)?;
    tokio::io::AsyncWriteExt::shutdown(tls).await
}

fn broken(error: LinkError) -> io::Error {
    match error {
        LinkError::Io(error) => error,
        other @ (LinkError::TooLong { .. } | LinkError::Malformed(_)) => io::Error::other(other),
    }
}
