//! Real agents with real servers, under a scripted supervisor.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a fixture that fails fails its test, and durations are printed for people"
)]

mod acks;
mod boot;
mod failover;
mod lease;
mod overhead;
mod process;
mod refusals;
mod support;
