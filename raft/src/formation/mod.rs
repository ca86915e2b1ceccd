//! How a node comes into its group: by agreement of all configured peers, or by joining under a new id.
//!
//! ```text
//!   empty disk ── ask every peer ──┬─ all empty, same list ──► the lowest name draws a cluster id, hands out ids 1..n,
//!                                  │                           and initialises
//!                                  ├─ somebody runs ─────────► ask the leader for a new id ─► learner ─► voter in place
//!                                  │                           of the one that lost its disk
//!                                  └─ somebody is silent ────► wait, and say for whom
//! ```
//!
//! An id is never used with a second disk: its former promises are on the first. One task does all this and is the only
//! one that names the disk.

pub(crate) mod admission;
mod founding;
mod joining;
mod probe;
mod status;
mod task;

pub use status::Formation;
pub(crate) use task::{Ask, run};
