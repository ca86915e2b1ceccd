//! Links: agents, routers and other supervisors dial in, and this supervisor dials the others.
//!
//! ```text
//!   accept ─► TLS ─► greet (version, cluster, name) ─► session ── frames ──► core
//!                                                        ▲ orders, leases, routes: newest wins
//! ```
//!
//! There is one live connection per peer: a new one replaces the old one, since the peer knows best which of them works. What is to be sent
//! lies in `watch` channels, so a slow peer costs no memory and gets the newest order first.

mod dial;
mod greet;
mod listen;
mod session;

pub(crate) use dial::{Dialler, dial};
pub(crate) use greet::Rules;
pub(crate) use listen::{Gate, listen};

use quorate_api::tls::PeerName;
use quorate_model::{LeaseGrant, Order};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A peer's live connection, as the core holds it. Dropping it ends the connection.
#[derive(Debug)]
pub(crate) struct Live {
    /// Which connection.
    pub(crate) id: u64,
    /// Where to put what an agent shall get; routers and supervisors have none.
    pub(crate) outbox: Option<Outbox>,
    _stop: DropGuard,
}

impl Live {
    fn new(id: u64, stop: CancellationToken, outbox: Option<Outbox>) -> Self {
        Self {
            id,
            outbox,
            _stop: stop.drop_guard(),
        }
    }
}

/// What an agent shall get next.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// The newest order.
    pub(crate) orders: watch::Sender<Option<Order>>,
    /// The newest lease.
    pub(crate) leases: watch::Sender<Option<LeaseGrant>>,
}

/// What links tell the core.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A connection stands; it replaces the peer's old one.
    Up {
        /// Whose.
        peer: PeerName,
        /// The connection.
        live: Live,
    },
    /// A connection ended.
    Down {
        /// Whose.
        peer: PeerName,
        /// Which connection.
        id: u64,
        /// By a reset or an end of file, rather than by silence.
        reset: bool,
    },
    /// A frame came, from the peer that it names.
    Frame(quorate_api::link::ToSupervisor),
}
