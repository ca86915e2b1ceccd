//! Beside each application: one local address that follows the epoch.
//!
//! Applications connect to loopback; the router carries each connection through the door of the node that the
//! supervisors' route table names. A connection lives under one epoch and is cut when that epoch ends; a new one waits
//! while no primary is open. The last table is kept on disk, so that a router serves with every supervisor dead.
//!
//! ```text
//!   supervisors ──tables──► core: links ─► driver(machine) ─► routes ─┐  (a snapshot, replaced as a whole)
//!               ◄─reports──                    │ cut                  ▼
//!   application ──TCP──► core: listener ─► mysql: tunnel ─► door ═══mTLS═══► agent
//! ```
//!
//! [`core`] knows no protocol; `mysql` is one. Start with [`machine`], which decides everything, then `mysql/tunnel.rs`.

pub mod core;

mod certificates;
mod config;
mod error;
mod mysql;
mod parts;
mod reload;
mod run;
mod sockets;

pub use self::config::{
    CausalLevel, ClientTls, Config, Limits, Listen, Pooling, ProxyProtocol, ReadPrimary, Reads, ServerSide,
    ServiceAccount,
};
pub use self::core::machine;
pub use self::error::Error;
pub use self::run::Router;
