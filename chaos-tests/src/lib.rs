//! Proof that the promise holds: deterministic simulation, invariants, and chaos on real servers.
//!
//! ```text
//!   sim           the real machines in virtual time, one seed decides everything
//!   invariants/   one promise per file, checked in the simulation and on real histories
//!   lab           the real thing on this machine, driven through the `quorate` binary
//!   nemesis       what goes wrong
//!   workloads     what clients do meanwhile
//!   wire          a MySQL client that hides no packet
//!   differ        random statements, directly and through the router
//!   checkers      what clients were promised, against what is there
//!   bench         the figures: gaps, overheads, idle costs
//! ```

pub mod bench;
pub mod checkers;
pub mod differ;
pub mod invariants;
pub mod lab;
pub mod nemesis;
pub mod sim;
pub mod wire;
pub mod workloads;
