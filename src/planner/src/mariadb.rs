//! MariaDB: who is primary, who may acknowledge, who follows whom.
//!
//! ```text
//!            register ── every phase
//!  Forming   forming ─────────────► Begin(1)
//!  Revoking  revoke (orders) · safe ─► elect ─► Elect        switchover: freeze, or abort in place
//!  Elected   rejoin (orders) · open ─────────► Open          suspect ─► begin (candidate lost)
//!  Open      rejoin (orders) · ackset · routers              suspect ─► begin ─► Begin(e+1)
//!            routes, verdict, forecast ── every phase
//! ```
//!
//! One file per concern. `view` is what they all read, `draft` what they all write.

mod ackset;
mod audit;
mod begin;
mod draft;
mod elect;
mod forecast;
mod forming;
mod open;
mod plan;
mod register;
mod rejoin;
mod revoke;
mod routers;
mod routes;
mod safe;
mod suspect;
mod switchover;
mod verdict;
mod view;

pub use audit::{Violation, audit};
pub use plan::plan;
pub use switchover::{Refused, switchover_precheck};
