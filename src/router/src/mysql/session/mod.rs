//! One session's decisions, without IO: what its state is, where a statement goes, and what holds it in place.
//!
//! ```text
//!   answers of servers ─► journal, pins, holdings, statements ─┐
//!   statement ─► sql::classify ─────────────────────────────────┴─► route::decide ─► target and reason
//! ```

pub(crate) mod holdings;
pub(crate) mod journal;
pub(crate) mod needs;
pub(crate) mod pins;
pub(crate) mod route;
pub(crate) mod several;
pub(crate) mod statements;
