//! Gives a session the server that a command needs: the one it has, a pooled one, or a new connection; and waits for a
//! primary if there is none.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::{Epoch, NodeId};
use thiserror::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::backend::Backend;
use super::hold::Held;
use super::job::Job;
use super::reader::Reader;
use super::run::LOSSES_MAX;
use super::session::{End, Session};
use crate::config::ProxyProtocol;
use crate::core::metrics::Refused;
use crate::core::route::{Access, seconds};
use crate::mysql::auth::login::{Login, LoginError, login};
use crate::mysql::auth::proxy_protocol::announcement;
use crate::mysql::auth::server_error::ServerError;
use crate::mysql::door::DoorError;
use crate::mysql::fleet::key::{Fit, PoolKey};
use crate::mysql::fleet::pool::{Grant, NoPlace};
use crate::mysql::fleet::positions::Server;
use crate::mysql::fleet::registry;
use crate::mysql::recover::failure::Failure;
use crate::mysql::session::route::{Decision, Side};
use crate::mysql::wire::capabilities::Capabilities;
use crate::mysql::wire::ok::Status;

/// Pause between attempts at a primary that the table names but that does not answer.
const RETRY: Duration = Duration::from_millis(5);
/// Pause after a server had too many connections, for sessions that have none of their own to wait for.
const CROWDED: Duration = Duration::from_millis(50);
/// ER_CON_COUNT_ERROR: the server's `max_connections`.
const TOO_MANY_CONNECTIONS: u16 = 1040;

/// Why there is no connection to a server.
#[derive(Debug, Error)]
pub(super) enum NoBackend {
    #[error("{node}: the door {source}")]
    Door { node: NodeId, source: DoorError },
    #[error(transparent)]
    Place(#[from] NoPlace),
    #[error("epoch {0} has ended")]
    Ended(Epoch),
    #[error("{0}")]
    Refused(ServerError),
    #[error("{0} has too many connections")]
    Crowded(NodeId),
    #[error("{node}: {source}")]
    Login { node: NodeId, source: LoginError },
}

impl NoBackend {
    fn login(node: NodeId, error: LoginError) -> Self {
        match error {
            LoginError::Refused(error) if error.code == TOO_MANY_CONNECTIONS => Self::Crowded(node),
            LoginError::Refused(error) => Self::Refused(error),
            source @ (LoginError::Unanswerable(_) | LoginError::Packet(_) | LoginError::Unexpected(_)) => {
                Self::Login { node, source }
            }
        }
    }

    /// Whether more dials at once could make it worse. A door that is not open yet, or an epoch that has ended, says nothing
    /// of how many the server bears: just after an epoch opens that would narrow the window when it is needed most.
    const fn is_of_load(&self) -> bool {
        !matches!(
            self,
            Self::Ended(_)
                | Self::Door {
                    source: DoorError::Refused { .. } | DoorError::OtherEpoch(_),
                    ..
                }
        )
    }
}

impl Session {
    /// Gets a server for a job. With a sequence number, a wait for it must go ahead. None if the client was told that
    /// there is no server.
    pub(super) async fn attach(&mut self, decision: &Decision, job: &Job) -> Result<Option<(Side, Option<u64>)>, End> {
        if self.stays_on_replica(decision, &job.needs).is_some() {
            return Ok(Some((Side::Replica, None)));
        }
        if decision.side == Side::Replica {
            match self.attach_reader(decision, job).await? {
                Reader::Replica { wait } => return Ok(Some((Side::Replica, wait))),
                Reader::Primary => {}
                Reader::Told => return Ok(None),
            }
        }
        if self.primary.is_some() && self.transaction_is_here() {
            return Ok(Some((Side::Primary, None)));
        }
        let attached = Box::pin(self.attach_primary()).await?;
        Ok(attached.then_some((Side::Primary, None)))
    }

    /// Whether the client waits for the verdict on its login, which is the servers' to give.
    pub(super) const fn is_logging_in(&self) -> bool {
        self.sequence != 1
    }

    /// Waits for an open primary, connects to it, and replays an open transaction there.
    async fn attach_primary(&mut self) -> Result<bool, End> {
        let Some(ticket) = self.split.hold.enter() else {
            self.split.metrics.refused(Refused::HoldFull);
            let why = format!("{} sessions wait already (`hold_max`)", self.split.hold.max());
            return self.no_server(&why).await;
        };
        let mut trouble = None;
        // Each turn but the last has lost a primary under a replay.
        for _ in 0..LOSSES_MAX {
            if self.primary.is_none() {
                match self.hold(&ticket, &mut trouble).await? {
                    Held::Answered(Ok(backend)) => self.install(Side::Primary, *backend),
                    Held::Answered(Err(error)) => {
                        let text = String::from_utf8_lossy(&error.message).into_owned();
                        self.send_error(error.code, error.state, &text).await?;
                        return Err(End::Told(text));
                    }
                    Held::Killed(kill) => return self.interrupted(kill).await.map(|()| false),
                    Held::Expired => {
                        self.split.metrics.refused(Refused::HoldExpired);
                        let why = trouble.unwrap_or_else(|| self.why_no_primary());
                        return self
                            .no_server(&format!("{why}; gave up after {}", seconds(ticket.waited())))
                            .await;
                    }
                }
            }
            if self.transaction_is_here() {
                return Ok(true);
            }
            match self.replay().await? {
                Replayed::Done => return Ok(true),
                // Then it was lost because of that, and is not replayed once more.
                Replayed::Lost if self.was_killed().await => return Err(End::Killed),
                Replayed::Lost => {}
                Replayed::Told => return Ok(false),
            }
        }
        self.state.transaction = None;
        let failure = Failure::Retry {
            why: format!("{LOSSES_MAX} primaries were lost while the transaction was replayed"),
        };
        self.replay_failed(&failure).await.map(|_| false)
    }

    /// Waits for an open primary and connects to it; or what the server says to the login. One that is elected is dialled
    /// already, so that what a dial costs is done when its door opens. Dropping it loses nothing.
    pub(super) async fn seek_primary(&self, trouble: &mut Option<String>) -> Result<Backend, ServerError> {
        loop {
            let (primary, epoch) = self.split.fleet.leader().await;
            // What an earlier attempt met is not why this one waits.
            *trouble = None;
            match self.connect(&primary, epoch, Access::Write).await {
                Ok(backend) => return Ok(backend),
                Err(NoBackend::Refused(error)) => return Err(error),
                Err(error) => *trouble = Some(format!("{} leads epoch {epoch}, but {error}", primary.node())),
            }
            sleep(RETRY).await;
        }
    }

    /// Why a session has no connection to a primary, for people, if no attempt has failed.
    fn why_no_primary(&self) -> String {
        let view = self.split.fleet.view();
        match &view.primary {
            Some(primary) => format!(
                "{} leads epoch {}, but no connection to it became free",
                primary.node(),
                view.epoch
            ),
            None => self.split.routes.borrow().why_closed(self.split.clock.now()),
        }
    }

    /// One connection to one server, from the pool or new.
    pub(super) async fn connect(
        &self,
        server: &Arc<Server>,
        epoch: Epoch,
        access: Access,
    ) -> Result<Backend, NoBackend> {
        // A server with too many connections is one whose places are taken, if by others: wait for one.
        let wait = self.split.live().pool.wait();
        let connecting = async {
            loop {
                match self.connect_once(server, epoch, access).await {
                    Err(NoBackend::Crowded(_)) => sleep(CROWDED).await,
                    connected => return connected,
                }
            }
        };
        timeout(wait, connecting)
            .await
            .unwrap_or(Err(NoBackend::Place(NoPlace::TooLong(wait))))
    }

    /// Which connections would do.
    fn pool_key(&self, server: &Server, epoch: Epoch, access: Access) -> PoolKey {
        let tells_client = self.split.live().server.proxy_protocol != ProxyProtocol::None;
        PoolKey(Arc::new(Fit {
            node: server.node().clone(),
            epoch,
            access,
            user: self.login.user.clone(),
            identity: self.login.secret.identity(),
            bits: self.capabilities.pool_bits().bits(),
            collation: self.login.collation,
            client: tells_client.then(|| self.ends.0.ip()),
            has_database: self.state.database.is_some(),
        }))
    }

    async fn connect_once(&self, server: &Arc<Server>, epoch: Epoch, access: Access) -> Result<Backend, NoBackend> {
        let split = &self.split;
        let key = self.pool_key(server, epoch, access);
        let mut dial = match split.pool.take(&key).await? {
            Grant::Idle(place, mut backend) => {
                backend.taken(place);
                if self.is_logging_in() {
                    let node = backend.node.clone();
                    backend
                        .log_in(&self.login)
                        .await
                        .map_err(|error| NoBackend::login(node, error))?;
                }
                return Ok(backend);
            }
            Grant::Dial(dial) => dial,
        };
        // The seat last: who waits must not keep an epoch from ending.
        let seat = split.connections.enter(epoch).ok_or(NoBackend::Ended(epoch))?;
        let dialling = async {
            let node = server.node().clone();
            let mut stream = split
                .visitor
                .wait_at(&server.endpoint, epoch, access, || dial.waits())
                .await
                .map_err(|source| NoBackend::Door {
                    node: node.clone(),
                    source,
                })?;
            let announcement = announcement(split.live().server.proxy_protocol, self.ends.0, self.ends.1);
            stream.write_all(&announcement).await.map_err(|error| NoBackend::Door {
                node: node.clone(),
                source: DoorError::Connect(error),
            })?;
            let login_as = Login {
                database: self.state.database.as_deref().map(str::to_owned),
                ..self.login.clone()
            };
            let wanted = Capabilities::towards_server(self.capabilities).bits();
            let accepted = login(&mut stream, &login_as, wanted)
                .await
                .map_err(|error| NoBackend::login(node, error))?;
            Ok((stream, accepted))
        };
        let dialled = tokio::select! {
            biased;
            dialled = dialling => dialled,
            () = seat.ended() => Err(NoBackend::Ended(epoch)),
        };
        match dialled {
            Ok((stream, accepted)) => {
                let mut backend = Backend::new(stream, seat, dial.succeeded(), key, server.clone(), accepted);
                backend.number = split.number(server.node());
                backend.database.clone_from(&self.state.database);
                Ok(backend)
            }
            Err(error) => {
                if let NoBackend::Door { source, .. } = &error {
                    split.metrics.door_failed(source.kind());
                }
                match &error {
                    NoBackend::Crowded(_) => dial.crowded(),
                    error if error.is_of_load() => dial.failed(),
                    _ => drop(dial),
                }
                Err(error)
            }
        }
    }

    pub(super) fn install(&mut self, side: Side, backend: Backend) {
        let shown = registry::Backend {
            node: backend.node.clone(),
            thread: u64::from(backend.thread),
        };
        self.card.set_backend(shown_side(side), Some(shown));
        let place = match side {
            Side::Primary => &mut self.primary,
            Side::Replica => &mut self.replica,
        };
        *place = Some(Box::new(backend));
    }

    /// Closes the connection on one side.
    pub(super) fn drop_backend(&mut self, side: Side) {
        self.card.set_backend(shown_side(side), None);
        match side {
            Side::Primary => self.primary = None,
            Side::Replica => self.replica = None,
        }
    }

    /// Closes the replica's connection if its epoch has ended: who waits keeps no epoch from ending. Not with a transaction
    /// on it, whose loss is to be told.
    pub(super) fn leave_ended(&mut self) {
        if idle(self.replica.as_deref()).is_some_and(Backend::is_over) {
            self.drop_backend(Side::Replica);
        }
    }

    /// Gives the connection on one side back, if nothing holds it there.
    pub(super) fn release(&mut self, side: Side) {
        let pinned = side == Side::Primary && (!self.state.pins.none() || !self.state.journal.announced().is_empty())
            || self.state.held == Some(side)
            || self.state.afterglow && self.state.last == side;
        let here = match side {
            Side::Primary => &mut self.primary,
            Side::Replica => &mut self.replica,
        };
        let Some(backend) = here.take_if(|backend| !pinned && backend.is_quiet()) else {
            return;
        };
        self.card.set_backend(shown_side(side), None);
        backend.give_back(&self.split.pool);
    }
}

/// What came of a replay.
pub(super) enum Replayed {
    Done,
    /// The server was lost again.
    Lost,
    /// The client was told that the transaction is gone.
    Told,
}

/// A connection without an open transaction.
pub(super) fn idle(backend: Option<&Backend>) -> Option<&Backend> {
    backend.filter(|backend| !backend.status.any(Status::IN_TRANS))
}

/// Resolves when the connection's epoch has ended; never without a connection.
pub(super) async fn ended(backend: Option<&Backend>) {
    match backend {
        Some(backend) => backend.ended().await,
        None => std::future::pending().await,
    }
}

const fn shown_side(side: Side) -> registry::Side {
    match side {
        Side::Primary => registry::Side::Primary,
        Side::Replica => registry::Side::Replica,
    }
}
