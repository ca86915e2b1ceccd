//! Supervisors over real sockets, with certificates, Raft and REST; only the agents are played.

mod failover;
mod group;
mod links;
mod played;
mod rest;
