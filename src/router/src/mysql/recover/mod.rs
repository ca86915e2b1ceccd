//! What becomes of a statement whose server was lost: found in the binlog, sent again, replayed, or reported honestly.
//!
//! ```text
//!   in flight, transaction, pins ─► plan::at_loss ─► Reattach | Repeat | Replay | Fail | Close
//!                                        │
//!                                        └► Resolve ─► Resolver ── one scan of the binlog ──► Verdict ─► plan::after
//! ```
//!
//! The promise: a write is never carried out twice, and never confirmed unless it is durable. Every DML text carries the
//! session's [`marker`] as a leading comment, so that the new primary's binlog answers whether it committed. Why that
//! proves it, step by step, is decision 0011.

pub(crate) mod failure;
pub(crate) mod marker;
pub(crate) mod plan;
pub(crate) mod resolve;
pub(crate) mod transaction;
pub(crate) mod verdict;

mod binlog;
mod control;
mod desk;
mod dump;
mod shape;
mod words;

#[cfg(test)]
mod real_test;
