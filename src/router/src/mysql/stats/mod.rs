//! Statistics of statement shapes: how often, how long, how many rows, where they ran.
//!
//! Shapes, never values: what a client wrote between quotes is in no table of these.
//!
//! Each data thread records into a shard of [`digests::Digests`] of its own, behind a mutex that only a reader of `SHOW QUORATE
//! DIGESTS` ever contends for; uncontended it costs about 20 ns, less than the atomics of a shared table would. The
//! shards are merged when somebody looks.

pub(crate) mod digests;
pub(crate) mod histogram;
pub(crate) mod slow;
mod stamp;
pub(crate) mod table;

#[cfg(test)]
#[path = "speed_test.rs"]
mod speed;
