//! The deterministic simulation: the real supervisor, agent and router machines in virtual time.
//!
//! One seed decides everything: clocks, delays, faults, choices. The machines are those of production; what surrounds
//! them here is simulated.
//!
//! ```text
//!   config, rng ── the seed's choices          faults ── what goes wrong        clients ── what is asked meanwhile
//!   world ─── the queue of events ── supervisors, agents, routers ── shells around the real machines
//!               raft ── an agreed log with a leader    network ── links, partitions     replication ── streams, acks
//!               mariadb, servers, commits ── a database that obeys the measured facts M1 to M14
//!   oracle, truth ── the invariants, where they could be broken      liveness ── the way back after the last fault
//! ```
//!
//! Start with [`run`], then `world.rs`.

mod agents;
mod clients;
mod clock;
mod commits;
mod config;
mod event;
mod faults;
mod liveness;
mod mariadb;
mod network;
mod oracle;
mod raft;
mod replication;
mod rng;
mod routers;
mod sabotage;
mod servers;
mod supervisors;
mod trace;
mod truth;
mod world;

pub use oracle::Breach;
pub use sabotage::Sabotage;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The first broken invariant.
    pub breach: Option<Breach>,
    /// A number for the whole story: equal seeds give equal ones.
    pub hash: u64,
    /// How many things happened.
    pub events: u64,
    /// How long it was, in microseconds of virtual time.
    pub span: u64,
    /// Epochs that began.
    pub epochs: u64,
    /// Writes that clients were told are done.
    pub promised: usize,
    /// The story, if it was asked for.
    pub lines: Vec<String>,
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64, sabotage: Option<Sabotage>, trace: bool) -> Outcome {
    let mut world = world::World::new(seed, sabotage, trace);
    world.run();
    Outcome {
        seed,
        breach: world.oracle.breach.clone(),
        hash: world.trace.hash(),
        events: world.trace.events,
        span: world.now,
        epochs: world.raft.agreed().epoch.0,
        promised: world.oracle.promised.len(),
        lines: world.trace.into_lines(),
    }
}

/// The command that repeats a seed.
#[must_use]
pub fn repeat_command(seed: u64) -> String {
    format!("cargo run -p quorate-chaos --bin sim -- --seed {seed} --trace")
}
