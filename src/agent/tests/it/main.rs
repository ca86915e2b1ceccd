//! Real agents with real servers, under a scripted supervisor.

mod acks;
mod boot;
mod failover;
mod lease;
mod refusals;
mod support;
