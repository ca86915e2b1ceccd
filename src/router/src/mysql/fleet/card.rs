//! What is known of one client session: who, doing what, where, pinned by what.
//!
//! A session writes its card without a lock for every statement; only what changes rarely is behind a mutex.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_model::{Moment, NodeId};
use tokio::sync::Notify;

/// A pin's statement is shown cut to this many characters.
pub(super) const CAUSE_CHARS: usize = 120;
/// Pins listed per session; later ones add nothing that a person would read.
const PINS_MAX: usize = 16;
/// Bits of the doing word that hold the command.
const COMMAND_BITS: u32 = 8;

/// What is known of one session.
#[derive(Debug)]
pub(crate) struct SessionCard {
    /// The id that the client was greeted with.
    pub(crate) id: u32,
    pub(crate) address: SocketAddr,
    pub(crate) listener: &'static str,
    pub(crate) since: Moment,
    /// Command byte in the low bits, moment of its begin in microseconds above; 0 in between commands.
    doing: AtomicU64,
    /// Commands so far.
    commands: AtomicU64,
    /// Of these, those that a replica answered.
    on_replica: AtomicU64,
    kill: AtomicU8,
    /// Orders to kill that servers have yet to answer.
    orders: AtomicU32,
    killed: Notify,
    slow: Mutex<Slow>,
}

/// What changes rarely.
#[derive(Debug, Default)]
struct Slow {
    user: String,
    database: String,
    pins: Vec<Pin>,
    backends: [Option<Backend>; 2],
}

/// Which of a session's two server connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Primary = 0,
    Replica = 1,
}

/// A server's thread that works for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) node: NodeId,
    pub(crate) thread: u64,
}

/// Why a session keeps its connection: it holds something that lives in the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// What, in words.
    pub(crate) reason: &'static str,
    /// The statement that did it, cut.
    pub(crate) cause: String,
    pub(crate) since: Moment,
}

/// What was asked of a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// `KILL QUERY`: end the statement.
    Query,
    /// `KILL`: end the session.
    Connection,
}

/// Somebody asks servers to kill what works for a session; over when dropped.
#[derive(Debug)]
pub(crate) struct Order(Arc<SessionCard>);

/// A copy of a card, for people.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) id: u32,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) address: SocketAddr,
    pub(crate) listener: &'static str,
    pub(crate) since: Moment,
    /// Command byte and begin, if one is under way.
    pub(crate) doing: Option<(u8, Moment)>,
    pub(crate) commands: u64,
    pub(crate) on_replica: u64,
    pub(crate) backends: [Option<Backend>; 2],
    pub(crate) pins: Vec<Pin>,
}

impl SessionCard {
    pub(super) fn new(id: u32, listener: &'static str, address: SocketAddr, since: Moment) -> Self {
        Self {
            id,
            address,
            listener,
            since,
            doing: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            on_replica: AtomicU64::new(0),
            kill: AtomicU8::new(0),
            orders: AtomicU32::new(0),
            killed: Notify::new(),
            slow: Mutex::default(),
        }
    }

    /// A command begins. A `KILL QUERY` that came late for the one before is none for this one.
    pub(crate) fn begin(&self, command: u8, now: Moment) {
        if self.kill.load(Ordering::Relaxed) == Kill::Query.code() {
            let _late = self.take_kill();
        }
        let since = now.as_micros() << COMMAND_BITS;
        self.doing.store(since | u64::from(command), Ordering::Relaxed);
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    /// It is answered.
    pub(crate) fn end(&self, on: Side) {
        self.doing.store(0, Ordering::Relaxed);
        if on == Side::Replica {
            self.on_replica.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logged in as, or changed to.
    pub(crate) fn set_user(&self, user: &str) {
        user.clone_into(&mut self.slow().user);
    }

    /// The default database changed.
    pub(crate) fn set_database(&self, database: &str) {
        database.clone_into(&mut self.slow().database);
    }

    /// A connection to a server was attached or given back.
    pub(crate) fn set_backend(&self, side: Side, backend: Option<Backend>) {
        let mut slow = self.slow();
        let [primary, replica] = &mut slow.backends;
        match side {
            Side::Primary => *primary = backend,
            Side::Replica => *replica = backend,
        }
    }

    /// The threads that work for this session.
    pub(crate) fn backends(&self) -> [Option<Backend>; 2] {
        self.slow().backends.clone()
    }

    /// The session is pinned from now on. One entry per reason: the first cause is what a person wants to know.
    pub(crate) fn pin(&self, reason: &'static str, cause: &str, now: Moment) {
        let mut slow = self.slow();
        if slow.pins.len() < PINS_MAX && slow.pins.iter().all(|pin| pin.reason != reason) {
            slow.pins.push(Pin {
                reason,
                cause: cause.chars().take(CAUSE_CHARS).collect(),
                since: now,
            });
        }
    }

    /// It is not pinned by this any more.
    pub(crate) fn unpin(&self, reason: &'static str) {
        self.slow().pins.retain(|pin| pin.reason != reason);
    }

    /// It is pinned by nothing any more: a reset.
    pub(crate) fn unpin_all(&self) {
        self.slow().pins.clear();
    }

    /// Asks the session to end its statement or itself. A later `Connection` overrides a `Query`, never the reverse.
    pub(crate) fn kill(&self, kill: Kill) {
        self.kill.fetch_max(kill.code(), Ordering::AcqRel);
        self.killed.notify_one();
    }

    /// Servers are about to be asked to kill what works for the session: until they have answered it does not know why it lost a
    /// connection, or why a statement was broken off.
    pub(crate) fn order(self: &Arc<Self>) -> Order {
        self.orders.fetch_add(1, Ordering::AcqRel);
        Order(self.clone())
    }

    /// Whether somebody asked, once all orders under way are answered. Only the session itself may wait.
    pub(crate) async fn killed_by_order(&self) -> Option<Kill> {
        loop {
            // In this order: an order ends after it has said what it came to.
            let under_way = self.orders.load(Ordering::Acquire) > 0;
            let kill = self.take_kill();
            if kill.is_some() || !under_way {
                return kill;
            }
            self.killed.notified().await;
        }
    }

    /// Resolves when somebody asked. A `Query` is taken with it; a `Connection` stays. Only the session itself may wait.
    pub(crate) async fn killed(&self) -> Kill {
        loop {
            if let Some(kill) = self.take_kill() {
                return kill;
            }
            self.killed.notified().await;
        }
    }

    /// What was asked, if anything; as [`SessionCard::killed`], without waiting.
    pub(crate) fn take_kill(&self) -> Option<Kill> {
        let query = Kill::Query.code();
        match self
            .kill
            .compare_exchange(query, 0, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Some(Kill::Query),
            Err(0) => None,
            Err(_) => Some(Kill::Connection),
        }
    }

    /// A copy, for people.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let doing = self.doing.load(Ordering::Relaxed);
        let command = u8::try_from(doing & 0xff).unwrap_or_default();
        let slow = self.slow();
        Snapshot {
            id: self.id,
            user: slow.user.clone(),
            database: slow.database.clone(),
            address: self.address,
            listener: self.listener,
            since: self.since,
            doing: (doing != 0).then(|| (command, Moment::from_micros(doing >> COMMAND_BITS))),
            commands: self.commands.load(Ordering::Relaxed),
            on_replica: self.on_replica.load(Ordering::Relaxed),
            backends: slow.backends.clone(),
            pins: slow.pins.clone(),
        }
    }

    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.0.orders.fetch_sub(1, Ordering::AcqRel);
        self.0.killed.notify_one();
    }
}

impl Kill {
    const fn code(self) -> u8 {
        match self {
            Self::Query => 1,
            Self::Connection => 2,
        }
    }
}
