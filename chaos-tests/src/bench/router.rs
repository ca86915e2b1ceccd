//! What a router costs, beside the alternatives, on real servers.
//!
//! ```text
//!   client ─────────────────────────────► door ─► mariadbd     direct
//!   client ─► HAProxy, TCP, one thread ──► door ─► mariadbd     haproxy
//!   client ─► router, `tunnel` ══ TLS ═══► door ─► mariadbd     tunnel
//!   client ─► router, `rw` ══════ TLS ═══► doors ► mariadbd ×3  split
//! ```
//! Every path does the same work in the same round, one after the other, and the order turns each round: what the
//! machine does meanwhile meets all of them, so only ratios and differences within a round are compared.

mod bulk;
mod client;
mod cost;
mod failover;
mod haproxy;
mod idle;
mod latency;
mod load;
mod path;
mod process;
mod stage;
mod storm;
mod sysbench;

pub use bulk::bulk_rate;
pub use cost::{Plan, cpu_per_query};
pub use failover::failovers;
pub use idle::idle_sessions;
pub use latency::added_latency;
pub use load::{Load, Mode};
pub use path::PathName;
pub use stage::Stage;
pub use storm::storms;
