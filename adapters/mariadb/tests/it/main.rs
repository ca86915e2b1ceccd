//! Runs against real servers. Each test has its own directories; every server is killed when its test ends, however it ends.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and prints its measurements"
)]

mod boot;
mod doctor;
mod failover;
mod freeze;
mod install;
mod process;
mod salvage;
mod support;
