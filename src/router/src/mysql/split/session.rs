//! Everything that a session is, in one place; what it does is in the files beside it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::backend::{Backend, Lost};
use super::client::Client;
use super::run::LOOK_EVERY;
use super::serve::Split;
use crate::mysql::auth::greet::Peer;
use crate::mysql::auth::login::Login;
use crate::mysql::auth::native::Scramble;
use crate::mysql::fleet::registry::Enrolled;
use crate::mysql::recover::failure::Failure;
use crate::mysql::recover::marker::Marker;
use crate::mysql::recover::transaction::TransactionLog;
use crate::mysql::session::holdings::Holdings;
use crate::mysql::session::journal::Journal;
use crate::mysql::session::pins::{Pin, Pins};
use crate::mysql::session::route::{Side, Standing};
use crate::mysql::session::statements::Statements;
use crate::mysql::sql::hint::Causal;
use crate::mysql::sql::lex::Dialect as SqlDialect;
use crate::mysql::sql::names::TemporaryTables;
use crate::mysql::wire::capabilities::{Capabilities, Dialect};
use crate::mysql::wire::checksum::Checksum;
use crate::mysql::wire::forward::Forward;
use crate::mysql::wire::ok::Status;
use crate::mysql::wire::packet::Malformed;

/// One client's session.
pub(crate) struct Session {
    pub(super) split: Arc<Split>,
    pub(super) card: Enrolled,
    pub(super) client: Client,
    pub(super) login: Login,
    pub(super) peer: Peer,
    /// What a COM_CHANGE_USER of the client answers.
    pub(super) scramble: Scramble,
    /// The client's address and the one that it came to, as servers are told if they are told.
    pub(super) ends: (SocketAddr, SocketAddr),
    /// Number of the packet that the client waits for: 1, but during a login.
    pub(super) sequence: u8,
    /// What the client and the router agreed on.
    pub(super) capabilities: Capabilities,
    pub(super) wire_dialect: Dialect,
    pub(super) state: State,
    pub(super) primary: Option<Box<Backend>>,
    pub(super) replica: Option<Box<Backend>>,
    /// What goes to the client, reused for every reply.
    pub(super) forward: Forward,
    pub(super) watch: Watch,
}

/// What may end a wait for the client; made once, so that a wait registers nothing anew.
pub(super) struct Watch {
    pub(super) stopped: Pinned<WaitForCancellationFutureOwned>,
    pub(super) stopping: Pinned<WaitForCancellationFutureOwned>,
    pub(super) idle: Pinned<Sleep>,
}

/// A future that is polled again and again.
type Pinned<F> = std::pin::Pin<Box<F>>;

impl Watch {
    pub(super) fn new(split: &Split) -> Self {
        Self {
            stopped: Box::pin(split.stopped.clone().cancelled_owned()),
            stopping: Box::pin(split.stopping.clone().cancelled_owned()),
            idle: Box::pin(sleep(split.live().pool.idle().min(LOOK_EVERY))),
        }
    }
}

/// What the servers and the client have said that outlives a command.
pub(super) struct State {
    pub(super) journal: Journal,
    pub(super) pins: Pins,
    pub(super) holdings: Holdings,
    pub(super) statements: Statements,
    /// The default database.
    pub(super) database: Option<Box<str>>,
    /// How texts are to be read.
    pub(super) dialect: SqlDialect,
    pub(super) causal: Causal,
    /// Highest sequence number that this session was told is committed.
    pub(super) token: u64,
    /// The server's flags after the last command, whichever server it was.
    pub(super) status: Status,
    /// Where the last statement ran.
    pub(super) last: Side,
    /// Where a cursor is open or parameters lie that were sent in pieces.
    pub(super) held: Option<Side>,
    /// In front of every text that changes rows.
    pub(super) marker: Marker,
    /// The open transaction on the primary; none between transactions.
    pub(super) transaction: Option<TransactionLog>,
    /// Between two replies: what is lent to the next one that needs it.
    pub(super) checksum: Option<Box<Checksum>>,
    /// The id that the statement which is being prepared will have.
    pub(super) reserved: u32,
    /// Temporary tables of the primary's connection.
    pub(super) temporary: TemporaryTables,
    /// What `LAST_INSERT_ID()` gives on the primary.
    pub(super) last_insert_id: u64,
    /// Changes that a client without DEPRECATE_EOF is told with its next OK.
    pub(super) carried: Vec<u8>,
    /// The session has changed what the binlog says of it: a missing marker proves nothing any more.
    pub(super) unmarked: bool,
    /// `completion_type` makes every COMMIT begin another transaction, or end the session.
    pub(super) chains: bool,
    /// What was said of the next transaction, or of the last statement, is in one connection only: it is not given back
    /// before the next statement.
    pub(super) afterglow: bool,
    /// What the next command is answered with, since the primary was lost in between.
    pub(super) owed: Option<Owed>,
}

/// An answer that is due because of what was lost between two commands.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) failure: Failure,
    /// Whether the session ends with it.
    pub(super) last: bool,
}

/// Why a session ends.
#[derive(Debug, Error)]
pub(super) enum End {
    /// The client said so, or has left.
    #[error("the client has left")]
    Client(#[source] Option<io::Error>),
    /// The client does not speak the protocol.
    #[error("the client's {0}")]
    Malformed(#[from] Malformed),
    /// The router is being stopped.
    #[error("the router stops")]
    Stopped,
    /// Somebody killed it.
    #[error("killed")]
    Killed,
    /// What the client was told last cannot be continued.
    #[error("a reply was torn: {0}")]
    Torn(String),
    /// The client was told so.
    #[error("{0}")]
    Told(String),
}

/// What went wrong while a command was carried out.
#[derive(Debug, Error)]
pub(super) enum Broken {
    /// On the client's side: the session is over.
    #[error(transparent)]
    Client(#[from] io::Error),
    /// On the server's side.
    #[error("{lost}")]
    Server {
        side: Side,
        lost: Lost,
        /// Whether the client has any of the reply.
        packets: bool,
        /// Whether it has a part of a packet.
        torn: bool,
        /// Sequence id of what would follow.
        next: u8,
    },
    /// The server sent what is no reply, or refused a piece of the session's state.
    #[error("the server's {1}")]
    Malformed(Side, Malformed),
}

impl Broken {
    pub(super) const fn lost(side: Side, lost: Lost) -> Self {
        Self::Server {
            side,
            lost,
            packets: false,
            torn: false,
            next: 1,
        }
    }

    pub(super) const fn gone(side: Side) -> Self {
        Self::lost(side, Lost::Closed)
    }
}

impl State {
    pub(super) fn new(marker: Marker, database: Option<Box<str>>, status: Status, causal: Causal) -> Self {
        Self {
            journal: Journal::default(),
            pins: Pins::default(),
            holdings: Holdings::default(),
            statements: Statements::default(),
            database,
            dialect: SqlDialect::default(),
            causal,
            token: 0,
            status,
            last: Side::Primary,
            held: None,
            marker,
            transaction: None,
            reserved: 0,
            temporary: TemporaryTables::default(),
            last_insert_id: 0,
            carried: Vec::new(),
            checksum: None,
            unmarked: false,
            chains: false,
            afterglow: false,
            owed: None,
        }
    }

    /// What the primary says of the next transaction, or of the one that is open.
    pub(super) fn announce(&mut self, characteristics: &[u8]) {
        self.journal.announce(characteristics);
    }

    /// The transaction on the primary is over without its own word: what was said of it goes with it.
    pub(super) fn transaction_over(&mut self) {
        self.transaction = None;
        self.announce(&[]);
    }

    /// The session's checksum, of nothing yet: the one allocation for all its replies.
    pub(super) fn lend_checksum(&mut self) -> Box<Checksum> {
        let Some(mut lent) = self.checksum.take() else {
            return Box::new(Checksum::new());
        };
        lent.restart();
        lent
    }
}

impl Session {
    /// The connection on one side.
    pub(super) fn backend(&mut self, side: Side) -> Option<&mut Backend> {
        match side {
            Side::Primary => self.primary.as_deref_mut(),
            Side::Replica => self.replica.as_deref_mut(),
        }
    }

    /// What the route decision must know.
    pub(super) fn standing(&self) -> Standing<'_> {
        let in_transaction = |backend: Option<&Backend>| backend.is_some_and(|b| b.status.any(Status::IN_TRANS));
        Standing {
            writing: in_transaction(self.primary.as_deref()) || self.state.transaction.is_some(),
            reading: in_transaction(self.replica.as_deref()),
            autocommit: self.state.status.any(Status::AUTOCOMMIT),
            announced: !self.state.journal.announced().is_empty(),
            pins: &self.state.pins,
            last: self.state.last,
        }
    }

    /// Sets a pin and shows it.
    pub(super) fn pin(&mut self, pin: Pin, cause: &str) {
        if !self.state.pins.has(pin) {
            self.state.pins.set(pin, cause);
            self.card.pin(pin.name(), cause, self.split.clock.now());
        }
    }

    /// Takes a pin off.
    pub(super) fn unpin(&mut self, pin: Pin) {
        if self.state.pins.has(pin) {
            self.state.pins.clear(pin);
            self.card.unpin(pin.name());
        }
    }

    /// How the texts of a session are to be read that has set nothing: by the server's flags after a login or a reset, the
    /// collation of the login, and the primary's global `sql_mode` as last read.
    pub(super) fn first_dialect(&self) -> SqlDialect {
        let dialect = SqlDialect {
            ansi_quotes: self.split.fleet.ansi_quotes(),
            no_backslash_escapes: self.state.status.any(Status::NO_BACKSLASH_ESCAPES),
            ..SqlDialect::default()
        };
        dialect.with_collation(self.login.collation)
    }

    /// How long a connection to a server is kept while the client is silent.
    pub(super) fn idle(&self) -> Duration {
        self.split.live().pool.idle()
    }
}
