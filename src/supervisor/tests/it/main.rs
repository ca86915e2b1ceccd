//! Supervisors over real sockets, with certificates, Raft and REST; only the agents are played.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests: a failure shall end the test and say where"
)]

mod failover;
mod group;
mod links;
mod played;
mod rest;
