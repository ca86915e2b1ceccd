//! One process takes over from another without a lost connection or reply.
//!
//! ```text
//!   old (serves)                                       new (`--take-over`, everything checked)
//!     │◄──────────────── Claim: who I am ───────────────── │
//!     │ ──── Offer: the listening sockets themselves ────► │  binds what was not offered
//!     │◄───────────────────── Take ─────────────────────── │
//!     │ stops accepting, its links, its disk               │  (who connects now waits in the kernel's queue)
//!     │ ──────────── Handed: my route table ─────────────► │  serves
//!     │◄─────────────────── tables ─────────────────────── │
//!     │ ────────────────── Drained{below} ───────────────► │  confirms no epoch that the old one has not left
//!     │ goes on with the clients it has, then ends         │
//! ```
//! Both are one router to supervisors, so only one of them has links and writes the state file at any time. Why sockets are
//! passed and not opened twice: `docs/decisions/0013`.

mod claim;
mod message;
mod offer;
mod pass;

pub(crate) use self::claim::{Claimed, NotHanded, Predecessor, claim, lower_of};
pub(crate) use self::message::Identity;
pub(crate) use self::offer::{Offer, Successor, obey};
