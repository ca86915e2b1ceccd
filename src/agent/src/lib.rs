//! Beside each `mariadbd`: its parent process, its only door, its boot gate and its lease.
//!
//! Decisions are taken in [`machine`], which does no IO; the rest of the crate carries them out.
//!
//! ```text
//!   supervisors ──orders, leases──►┐                     ┌──► server: start, kill, SQL steps
//!   server ──exit, facts, probes──►├─► machine::handle ──┼──► door: who is admitted, whose acks pass
//!   door, relay, failsafe ────────►┘    (event, time in) ├──► relay: which primary the replica is fed from
//!                                                        └──► disk: the promise, before anything else; report
//! ```
//!
//! Start with [`machine::Machine`], then `shell.rs`, which carries out its effects, and `run.rs`, which puts an agent together.

mod config;
mod door;
mod error;
mod feed;
mod health;
mod links;
pub mod machine;
mod memory;
mod prepare;
mod run;
mod server;
mod shell;
mod signals;

pub use config::{Config, Door, Metrics, Relay, Server, Sizes, Supervisor, Timing};
pub use error::{Error, MemoryError};
pub use run::run;
