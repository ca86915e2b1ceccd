//! How supervisors talk to each other: HTTP/2 over mutual TLS, JSON bodies, on a port of its own.
//!
//! ```text
//!   Peers (clients)                               Server
//!     heartbeat connection ─┐                        │ handshake: certificate of a supervisor?
//!     log connection        ├── POST /raft/v1/… ────►│ headers: protocol, cluster, target id
//!     snapshot connection   │                        │ body: bounded
//!     control connection   ─┘                        └► openraft, formation
//! ```
//!
//! Heartbeats have their own connection, so that neither a large append nor a snapshot delays them.

mod acceptor;
mod client;
mod network;
mod server;
mod snapshot;
mod tls;
mod wire;

pub(crate) use client::{CallError, Peers, Purpose};
pub(crate) use network::NetworkFactory;
pub(crate) use server::{Server, serve};
pub use tls::Tls;
pub(crate) use wire::{AdmitRequest, FormRequest, JoinAnswer, JoinRequest, Phase, StatusAnswer, path};
pub use wire::{ErrorCode, WireError};
