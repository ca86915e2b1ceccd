//! A session's connection to one server: its stream, what was read of it, and how far it knows the session's state.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use quorate_model::{Epoch, NodeId};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::core::connections::Seat;
use crate::core::route::Access;
use crate::mysql::auth::login::{Accepted, Login, LoginError, change_user};
use crate::mysql::door::DoorStream;
use crate::mysql::fleet::key::{Fit, PoolKey};
use crate::mysql::fleet::pool::{Place, Pool, Pooled};
use crate::mysql::fleet::positions::Server;
use crate::mysql::session::statements::OnServer;
use crate::mysql::wire::capabilities::Capabilities;
use crate::mysql::wire::command::Command;
use crate::mysql::wire::ok::Status;
use crate::mysql::wire::reply::Outcome;
use crate::mysql::wire::write::put_command;

/// Room that a read is given. One TLS record is 16 KiB, and larger reads save no system calls.
const READ_BYTES: usize = 16 * 1024;
/// Room for what a server says unasked: an error of some dozen bytes before it closes.
const LAST_WORDS_BYTES: usize = 128;
/// A buffer that grew beyond this is given back when it is empty.
const KEEP_BYTES: usize = 64 * 1024;

/// A connection to a server, logged in as the session's user.
pub(crate) struct Backend {
    stream: DoorStream,
    /// Begins at a packet's header.
    pub(crate) inbound: BytesMut,
    /// Not yet sent.
    pub(crate) outbound: BytesMut,
    /// Replies that come before that to the client's command, and are not for the client.
    pub(crate) silent: VecDeque<Silent>,
    pub(crate) node: NodeId,
    pub(crate) epoch: Epoch,
    pub(crate) thread: u32,
    pub(crate) status: Status,
    /// Version of the session's journal that it has.
    pub(crate) applied: u64,
    /// Its default database.
    pub(crate) database: Option<Box<str>>,
    /// The session's prepared statements that it has, by the router's id.
    pub(crate) statements: BTreeMap<u32, OnServer>,
    pub(crate) server: Arc<Server>,
    /// The number by which the statistics know the node.
    pub(crate) number: u8,
    /// Opened for writing.
    pub(crate) is_primary: bool,
    /// What the server has accepted, for the next login on this connection.
    accepted: Accepted,
    /// What this connection may be used for by others.
    key: PoolKey,
    /// What must precede everything else: the router's own settings of the connection.
    fresh: Fresh,
    /// One of the server's `max_backends`; none while it lies in the pool.
    place: Option<Place<PoolKey, Self>>,
    /// The end of the epoch; made once, so that a read registers nothing anew.
    over: std::pin::Pin<Box<WaitForCancellationFutureOwned>>,
    /// Dropped last: the epoch counts as over only when the stream is closed.
    seat: Seat,
}

/// What a connection needs before its first command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// Nothing.
    No,
    /// The router's settings.
    New,
    /// A reset, since another session had it, and the router's settings.
    Used,
}

impl Pooled for Backend {
    fn is_quiet(&self) -> bool {
        self.inbound.is_empty() && self.is_open()
    }
}

/// A reply that is kept from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silent {
    /// Of a command that must succeed: what the router asks of every connection, or a piece of the session's state.
    Setup,
    /// Of the wait for a position: 0 if it was reached.
    Wait(u64),
}

/// How a server was lost.
#[derive(Debug, Error)]
pub(crate) enum Lost {
    /// Its epoch is over.
    #[error("epoch {0} has ended")]
    Epoch(Epoch),
    /// It closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection to the server broke")]
    Broken(#[source] io::Error),
}

impl Backend {
    /// A connection that has just logged in.
    pub(crate) fn new(
        stream: DoorStream,
        seat: Seat,
        place: Place<PoolKey, Self>,
        key: PoolKey,
        server: Arc<Server>,
        accepted: Accepted,
    ) -> Self {
        Self {
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            silent: VecDeque::new(),
            node: key.0.node.clone(),
            epoch: key.0.epoch,
            thread: accepted.thread_id,
            status: Status(accepted.status),
            applied: 0,
            database: None,
            statements: BTreeMap::new(),
            server,
            number: 0,
            is_primary: key.0.access == Access::Write,
            accepted,
            key,
            fresh: Fresh::New,
            place: Some(place),
            over: Box::pin(seat.ended_owned()),
            seat,
        }
    }

    /// For another session, out of the pool: everything of the one that had it is forgotten. The server is told so with
    /// the next command.
    pub(crate) fn taken(&mut self, place: Place<PoolKey, Self>) {
        self.place = Some(place);
        self.reset();
    }

    /// Logs in anew, which also resets the connection: the server's own verdict on a login, without a new connection.
    pub(crate) async fn log_in(&mut self, login: &Login) -> Result<(), LoginError> {
        let changed = tokio::select! {
            biased;
            changed = change_user(&mut self.stream, login, &self.accepted) => changed?,
            () = self.seat.ended() => return Err(LoginError::Unexpected("the end of its epoch")),
        };
        self.status = Status(changed.status);
        self.accepted = changed;
        self.database = login.database.as_deref().map(Box::from);
        self.was_reset();
        Ok(())
    }

    /// Forgets everything of a session. The server is told so with the next command.
    pub(crate) fn reset(&mut self) {
        self.fresh = Fresh::Used;
        self.applied = 0;
        self.statements.clear();
        // Of which nothing was sent.
        self.outbound.clear();
        self.silent.clear();
    }

    /// What must precede everything else; asked once.
    pub(crate) fn take_fresh(&mut self) -> Fresh {
        std::mem::replace(&mut self.fresh, Fresh::No)
    }

    /// Takes up what a reply says of the connection.
    pub(crate) fn took(&mut self, outcome: &Outcome) {
        if let Some(status) = outcome.status {
            self.status = status;
        }
    }

    /// Whether the server may leave out the definitions of columns.
    pub(crate) fn caches_metadata(&self) -> bool {
        Capabilities::from_bits(self.key.0.bits).has(Capabilities::CACHE_METADATA)
    }

    /// The session has had it reset itself.
    pub(crate) fn was_reset(&mut self) {
        self.reset();
        self.fresh = Fresh::New;
    }

    /// Closes a prepared statement, which has no answer: the server hears of it with the next command.
    pub(crate) fn close(&mut self, own: u32) {
        if let Some(known) = self.statements.remove(&own) {
            let id = known.id.to_le_bytes();
            put_command(&mut self.outbound, 0, &[&[Command::StmtClose.byte()], &id]);
        }
    }

    /// A reply to an execution did not reach the client, although the server may think so.
    pub(crate) fn untold(&mut self, own: u32, outcome: &Outcome) {
        if let Some(known) = self
            .statements
            .get_mut(&own)
            .filter(|_| !outcome.definitions.is_empty())
        {
            known.columns = None;
        }
    }

    /// Another session waits for a connection to this server.
    pub(crate) fn is_wanted(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_wanted)
    }

    /// To the pool.
    pub(crate) fn give_back(mut self: Box<Self>, pool: &Pool<PoolKey, Self>) {
        self.shrink();
        let has_database = self.database.is_some();
        let key = if self.key.0.has_database == has_database {
            self.key.clone()
        } else {
            PoolKey(Arc::new(Fit {
                has_database,
                ..self.key.0.as_ref().clone()
            }))
        };
        if let Some(place) = self.place.take() {
            pool.put(place, key, *self);
        }
    }

    /// Whether the server has neither closed the connection nor said anything unasked.
    fn is_open(&self) -> bool {
        let mut byte = [0; 1];
        let asked = rustix::net::recv(
            self.stream.socket(),
            &mut byte,
            rustix::net::RecvFlags::PEEK.union(rustix::net::RecvFlags::DONTWAIT),
        );
        !self.stream.has_unread() && matches!(asked, Err(rustix::io::Errno::AGAIN))
    }

    /// Reads more, whatever has come. Dropping it loses nothing.
    pub(crate) async fn fill(&mut self) -> Result<(), Lost> {
        self.fill_up_to(READ_BYTES).await
    }

    async fn fill_up_to(&mut self, room: usize) -> Result<(), Lost> {
        self.inbound.reserve(room);
        tokio::select! {
            biased;
            read = self.stream.read_buf(&mut self.inbound) => match read {
                Ok(0) => Err(Lost::Closed),
                Ok(_) => Ok(()),
                Err(error) => Err(Lost::Broken(error)),
            },
            () = self.over.as_mut() => Err(Lost::Epoch(self.epoch)),
        }
    }

    /// Sends what is in `outbound`.
    pub(crate) async fn flush(&mut self) -> Result<(), Lost> {
        let send = async {
            self.stream.write_all_buf(&mut self.outbound).await?;
            self.stream.flush().await
        };
        let sent = tokio::select! {
            biased;
            sent = send => sent,
            () = self.seat.ended() => return Err(Lost::Epoch(self.epoch)),
        };
        if self.outbound.capacity() > KEEP_BYTES {
            self.outbound = BytesMut::new();
        }
        sent.map_err(Lost::Broken)
    }

    /// Resolves when it is of no more use: the epoch has ended, or the server has closed the connection while nothing
    /// was asked of it.
    pub(crate) async fn gone(&mut self) {
        let _lost = self.fill_up_to(LAST_WORDS_BYTES).await;
    }

    /// Resolves when the epoch has ended.
    pub(crate) async fn ended(&self) {
        self.seat.ended().await;
    }

    /// Whether the epoch has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.seat.is_over()
    }

    /// Drops `len` bytes that were dealt with.
    pub(crate) fn consume(&mut self, len: usize) {
        self.inbound.advance(len);
        if self.inbound.is_empty() && self.inbound.capacity() > KEEP_BYTES {
            self.inbound = BytesMut::new();
        }
    }

    /// Gives back the memory of an idle connection.
    pub(crate) fn shrink(&mut self) {
        if self.inbound.is_empty() {
            self.inbound = BytesMut::new();
        }
        if self.outbound.is_empty() {
            self.outbound = BytesMut::new();
        }
    }

    /// The stream, for what is neither read nor understood by the router.
    pub(crate) fn stream(&mut self) -> (&mut DoorStream, &Seat) {
        (&mut self.stream, &self.seat)
    }

    /// Whether nothing is under way, so that another session may have it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.inbound.is_empty()
            && self.silent.is_empty()
            && !self.status.any(Status::IN_TRANS.with(Status::MORE_RESULTS))
            && self.status.any(Status::AUTOCOMMIT)
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend")
            .field("node", &self.node)
            .field("epoch", &self.epoch)
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}
