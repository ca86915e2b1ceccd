//! What a statement's text says, and nothing else: no IO, no clock, no memory of earlier statements.
//!
//! ```text
//! text ─> lex ─> scan ──┬─> classify ─> Verdict { class, why, facts, hint, shape }
//!                       └─> digest (the hash of the statement's shape, in the same pass)
//! ```
//!
//! The verdict only says *read or not*. Whether a transaction is open is the server's word (its status flags), so that a
//! `COMMIT` inside a prepared statement or a procedure is seen. Everything the text leaves open goes to the primary.
//!
//! Start at [`classify::classify`]; what it can answer is in [`verdict`].

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub(crate) mod classify;
pub(crate) mod digest;
mod explain;
mod functions;
pub(crate) mod hint;
pub(crate) mod kill;
pub(crate) mod lex;
mod locks;
pub(crate) mod names;
mod prepare;
mod scan;
pub(crate) mod set;
mod show;
mod transaction;
pub(crate) mod verdict;
pub(crate) mod word;
mod write;

#[cfg(test)]
#[path = "properties_test.rs"]
mod properties;
#[cfg(test)]
#[path = "speed_test.rs"]
mod speed;
