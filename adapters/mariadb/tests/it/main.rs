//! Runs against real servers. Each test has its own directories; every server is killed when its test ends, however it ends.

mod boot;
mod doctor;
mod failover;
mod freeze;
mod install;
mod process;
mod salvage;
mod support;
