//! What the router knows of the servers and of its own sessions.
//!
//! ```text
//!   route table ──► Fleet: one Server per node and stay ◄── monitor (position, lag)   ◄── sessions (waits, load)
//!                      │ choose: which one reads                  pool: idle connections, places, waiters
//!                      ▼                                          credits: dials after an epoch opened
//!                   session ──► registry: who is here, doing what, pinned by what
//! ```

pub(crate) mod card;
pub(crate) mod choose;
pub(crate) mod credits;
pub(crate) mod key;
pub(crate) mod lag;
pub(crate) mod monitor;
pub(crate) mod pool;
pub(crate) mod position;
pub(crate) mod positions;
pub(crate) mod registry;
pub(crate) mod show;

mod place;
mod shelf;
