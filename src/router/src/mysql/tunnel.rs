//! One client's connection: wait for a primary if there is none, pass a door, relay, end with the epoch.
//!
//! ```text
//!   accepted ──► held ──► dialling ──► relaying ──► ended
//!                  ▲          │            │  client or server closes, epoch ends, router stops
//!                  └──────────┘ door says no, epoch ends, table changes
//! ```
//! Nothing is repeated once relaying has begun: before it, no byte of the client was read.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{Live, ReadPrimary};
use crate::core::balance::{Balance, Share};
use crate::core::connections::{Connections, Seat};
use crate::core::hold::{Hold, Ticket};
use crate::core::listener::{Port, Slot};
use crate::core::metrics::{Metrics, Refused};
use crate::core::route::{Access, Route, seconds};
use crate::mysql::auth::proxy_protocol::{Proxies, announcement};
use crate::mysql::door::{DoorStream, Visitor};
use crate::mysql::refusal::{Code, packet};
use crate::mysql::relay::{Closed, relay};

/// First and longest pause between rounds of attempts. A new table ends the pause.
const RETRY_MS: (u64, u64) = (1, 50);
/// Doors dialled at a time by one listener: a thousand held clients must not slow each other down when released.
const DIALS_MAX: usize = 32;
/// How long a closing client may take to close its side, so that it reads everything instead of a reset.
const LINGER: Duration = Duration::from_secs(1);
/// What a closing client may still send before it is reset after all.
const LINGER_BYTES: usize = 256 * 1024;

/// Serves the clients of one listener.
pub(crate) struct Tunnel {
    pub(crate) port: Port,
    pub(crate) access: Access,
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) routes: watch::Receiver<Route>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) balance: Arc<Balance>,
    pub(crate) hold: Arc<Hold>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) dials: Semaphore,
    /// No new connections.
    pub(crate) stopping: CancellationToken,
    /// No connections at all.
    pub(crate) stopped: CancellationToken,
    pub(crate) config: Live,
    /// Who puts a PROXY header before everything else; nobody on `tunnel`.
    pub(crate) proxies: Proxies,
}

/// A passed door, with everything that counts it.
struct Passage {
    server: DoorStream,
    _share: Share,
    seat: Seat,
}

/// Why a client is sent away.
struct Refusal {
    code: Code,
    limit: Refused,
    text: String,
}

/// Room for the dials of one listener.
pub(crate) fn dials() -> Semaphore {
    Semaphore::new(DIALS_MAX)
}

impl Tunnel {
    /// Serves one client from its first moment to its last.
    pub(crate) async fn serve(self: Arc<Self>, mut client: TcpStream, slot: Option<Slot>) {
        if client.set_nodelay(true).is_err() {
            return;
        }
        let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let address = client.peer_addr().unwrap_or(unknown);
        let local = client.local_addr().unwrap_or(unknown);
        let patience = self.config.load().limits.handshake();
        let origin = match &slot {
            None => Some(address),
            Some(_) => self.proxies.origin(&mut client, address, patience).await,
        };
        let Some(origin) = origin else {
            return;
        };
        let passage = match &slot {
            None => Err(self.full()),
            Some(_) => tokio::select! {
                passage = self.admit() => passage,
                () = left(&client) => return,
            },
        };
        match passage {
            Ok(passage) => {
                let announcement = self.announcement(origin, local);
                self.carry(&mut client, passage, &announcement).await;
            }
            Err(refusal) => {
                self.metrics.refused(refusal.limit);
                let text = format!("quorate router {}: {}", self.visitor.router, refusal.text);
                // The client may have gone; then nobody needs the answer.
                let _ = client.write_all(&packet(refusal.code, &text)).await;
            }
        }
        drop(linger(client).await);
        drop(slot);
    }

    /// Waits for a passage, but neither longer nor with more others than allowed.
    async fn admit(&self) -> Result<Passage, Refusal> {
        let Some(ticket) = self.hold.enter() else {
            return Err(Refusal {
                code: Code::TooManyConnections,
                limit: Refused::HoldFull,
                text: format!(
                    "{}; {} connections wait already (`hold_max`)",
                    self.routes.borrow().why_closed(self.clock.now()),
                    self.hold.max()
                ),
            });
        };
        let mut trouble = None;
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Refusal {
                code: Code::NoServer,
                limit: Refused::Stopping,
                text: "this router is being stopped; connect again".to_owned(),
            }),
            passage = self.seek(&mut trouble) => {
                self.metrics.hold_seconds.record(ticket.waited().as_secs_f64());
                self.metrics.opened(self.port);
                Ok(passage)
            }
            () = ticket.expired() => Err(self.expired(&ticket, trouble)),
        }
    }

    /// Tries whatever the table names, round by round, until a door opens. `trouble` is the last failure, for people.
    async fn seek(&self, trouble: &mut Option<String>) -> Passage {
        let mut routes = self.routes.clone();
        let mut pause_ms = RETRY_MS.0;
        loop {
            let route = routes.borrow_and_update().clone();
            if let Some(passage) = self.round(&route, &mut routes, trouble).await {
                return passage;
            }
            let nobody = match self.access {
                Access::Write => route.leader().is_none(),
                Access::Read => route.writable().is_none() && route.readable().is_empty(),
            };
            tokio::select! {
                changed = routes.changed() => {
                    if changed.is_err() {
                        // The router stops, which `admit` tells the client.
                        pending::<()>().await;
                    }
                    pause_ms = RETRY_MS.0;
                }
                () = tokio::time::sleep(Duration::from_millis(pause_ms)), if !nobody => {
                    pause_ms = (pause_ms * 2).min(RETRY_MS.1);
                }
            }
        }
    }

    /// Tries each target of one table once. Ends early when the table changed.
    async fn round(
        &self,
        route: &Route,
        routes: &mut watch::Receiver<Route>,
        trouble: &mut Option<String>,
    ) -> Option<Passage> {
        let epoch = route.epoch();
        let spared = route.writable().filter(|_| self.spares_primary(route));
        for target in self.balance.targets(route, self.access, self.clock.now()) {
            if spared.is_some_and(|primary| primary.node == target.node) {
                continue;
            }
            let _dial = self.dials.acquire().await.ok()?;
            let seat = self.connections.enter(epoch)?;
            let share = self.balance.take(&target.node);
            let failure = tokio::select! {
                biased;
                () = seat.ended() => return None,
                passed = self.visitor.wait_at(&target, epoch, self.access, || ()) => match passed {
                    Ok(server) => return Some(Passage { server, _share: share, seat }),
                    Err(failure) => failure,
                },
            };
            drop(share);
            self.balance.failed(&target.node, self.clock.now());
            self.metrics.door_failed(failure.kind());
            tracing::debug!(node = %target.node, %epoch, %failure, "door not passed");
            *trouble = Some(format!("door {} of {} {failure}", target.door, target.node));
            if routes.has_changed().unwrap_or(true) {
                return None;
            }
        }
        None
    }

    /// Relays until something ends it. The server's side is dropped at once, then the seat, so that an ended epoch is
    /// drained without waiting for the client.
    async fn carry(&self, client: &mut TcpStream, passage: Passage, announcement: &[u8]) {
        let Passage {
            mut server,
            _share,
            seat,
        } = passage;
        let carrying = async {
            if !announcement.is_empty() {
                server.write_all(announcement).await?;
                server.flush().await?;
            }
            relay(client, &mut server, &self.metrics.bytes_up, &self.metrics.bytes_down).await
        };
        let closed = tokio::select! {
            biased;
            () = seat.ended() => None,
            () = self.stopped.cancelled() => None,
            closed = carrying => closed.ok(),
        };
        if closed == Some(Closed::Client) {
            // Tells the door that this is no broken connection; it may be gone, and that is no loss.
            let goodbye = async { server.shutdown().await.is_ok() };
            tokio::select! {
                () = seat.ended() => {}
                _ = timeout(LINGER, goodbye) => {}
            }
        }
        drop(server);
        drop(seat);
    }

    /// What a server is told of its client. `tunnel` adds nothing to what the client sends.
    fn announcement(&self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        match self.port {
            Port::Rw | Port::Ro => announcement(self.config.load().server.proxy_protocol, from, to),
            Port::Tunnel => Vec::new(),
        }
    }

    /// Whether the setting keeps readers from the primary.
    fn spares_primary(&self, route: &Route) -> bool {
        let never = self.config.load().reads.primary == ReadPrimary::Never;
        self.access == Access::Read && never && !route.readable().is_empty()
    }

    fn expired(&self, ticket: &Ticket, trouble: Option<String>) -> Refusal {
        let route = self.routes.borrow();
        let why = match (route.writable(), trouble) {
            (_, trouble) if self.spares_primary(&route) => format!(
                "no replica lets anybody in ({}), and `reads.primary` is `never`",
                trouble.unwrap_or_else(|| "none was reached".to_owned())
            ),
            (Some(primary), Some(trouble)) => {
                format!("{} leads epoch {}, but {trouble}", primary.node, route.epoch())
            }
            (Some(primary), None) => format!("{} leads epoch {}, but is not reached", primary.node, route.epoch()),
            (None, _) => route.why_closed(self.clock.now()),
        };
        Refusal {
            code: Code::NoServer,
            limit: Refused::HoldExpired,
            text: format!(
                "{why}; gave up after {}; see `quorate explain`",
                seconds(ticket.waited())
            ),
        }
    }

    fn full(&self) -> Refusal {
        Refusal {
            code: Code::TooManyConnections,
            limit: Refused::Full,
            text: format!(
                "{} connections are open already (`max_connections`)",
                self.config.load().limits.max_connections
            ),
        }
    }
}

/// Resolves when the client has closed its side before it was greeted. One that speaks first is no MySQL client, or
/// it is early; what it said stays unread, and it is not watched further.
async fn left(client: &TcpStream) {
    match client.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        Ok(_) => pending().await,
    }
}

/// Ends a client's connection by FIN, not by RST: closing a socket with unread bytes would reset it, and the client
/// could lose what it has not read yet.
pub(crate) async fn linger(mut client: TcpStream) -> TcpStream {
    let farewell = async {
        client.shutdown().await?;
        let mut waste = [0; 1024];
        let mut wasted = 0_usize;
        loop {
            match client.read(&mut waste).await? {
                0 => return Ok::<_, std::io::Error>(()),
                read => wasted = wasted.saturating_add(read),
            }
            if wasted > LINGER_BYTES {
                return Ok(());
            }
        }
    };
    // Whatever comes of it, the socket is closed next.
    let _ = timeout(LINGER, farewell).await;
    client
}
