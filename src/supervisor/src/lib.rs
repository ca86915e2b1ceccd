//! The loop that observes, plans, audits, commits and acts.
//!
//! ```text
//!   agents, routers ──link──► ┌────────────────── supervisor ───────────────────┐
//!   other supervisors ─link─► │ links ─events─► core (owns the Machine) ─effects─► links │
//!   operators ──HTTPS──► rest │ rest ──requests──►   ▲ │                        │
//!                             │        state, leadership│ ▼ proposals            │
//!                             └──────────────── quorate-raft ───────────────────┘
//! ```
//!
//! All decisions are in [`machine`], which has no IO; the rest carries events in and effects out. Start there, then [`run`].

pub mod config;
pub mod machine;
pub mod rest;

mod core;
mod error;
mod link;
mod metric;
mod run;

pub use config::Config;
pub use error::Error;
pub use run::run;
