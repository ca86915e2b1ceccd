//! The REST API: what operators read and ask for.
//!
//! ```text
//!   request ─► time limit ─► token ─► role ─► handler ─► look at the machine | ask it | watch Raft's state
//! ```
//!
//! Reads are answered by every supervisor, except those that only the leader can answer well; these, and all changes, are
//! answered `not_leader` with the leader's address elsewhere. A change is committed in Raft with the name of the token and the reason given.

mod act;
mod auth;
mod document;
mod error;
mod extract;
mod health;
mod read;
mod server;
mod views;
mod watch;

pub(crate) use auth::Keys;
pub use document::openapi;
pub(crate) use server::{Api, serve};
