//! What goes wrong, drawn from the seed.
//!
//! ```text
//!   schedule, ambush ── when, and which          processes ── what dies or stands still
//!   network ── who does not hear whom            repair ── what goes on, and the end of all faults
//! ```

mod network;
mod processes;
mod repair;

use quorate_agent::machine::Event;
use quorate_model::Change;

use super::clock::Micros;
use super::event::What;
use super::world::World;

/// A fault. Targets are drawn when it happens, so that it can aim at whoever leads then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    KillServer,
    CrashAgent,
    PowerCut,
    FreezeBoth,
    FreezeAgent,
    FreezeServer,
    StallDisk,
    SlowApplier,
    Terminate,
    CrashSupervisor,
    CrashLeader,
    CrashSupervisors,
    FreezeSupervisor,
    FreezeLeader,
    Election,
    CutHost,
    CutFromSupervisors,
    CutFromReplicas,
    CutOneWay,
    CutPair,
    CutLeader,
    BreakLinks,
    BreakStreams,
    CrashRouter,
    FreezeRouter,
    CutRouter,
    PowerCutAll,
    Switchover,
    Pause,
    Resume,
    /// The primary loses the supervisors for long, and its replicas for a shorter while.
    CutTwice,
    /// The primary and a router, alone together for longer than any lease.
    Island,
    /// Two halves that do not hear each other.
    Split,
    /// Every node's server dies at once.
    KillServers,
    /// A cut ends.
    Mend(Vec<(usize, usize)>),
}

/// What is drawn from; what needs a narrow coincidence to do harm comes up more often.
const KINDS: [Fault; 38] = [
    Fault::KillServer,
    Fault::CrashAgent,
    Fault::PowerCut,
    Fault::FreezeBoth,
    Fault::FreezeAgent,
    Fault::FreezeServer,
    Fault::StallDisk,
    Fault::SlowApplier,
    Fault::Terminate,
    Fault::CrashSupervisor,
    Fault::CrashLeader,
    Fault::CrashSupervisors,
    Fault::FreezeSupervisor,
    Fault::FreezeLeader,
    Fault::Election,
    Fault::CutHost,
    Fault::CutFromSupervisors,
    Fault::CutFromReplicas,
    Fault::CutOneWay,
    Fault::CutPair,
    Fault::CutLeader,
    Fault::BreakLinks,
    Fault::BreakStreams,
    Fault::CrashRouter,
    Fault::FreezeRouter,
    Fault::CutRouter,
    Fault::PowerCutAll,
    Fault::Switchover,
    Fault::Pause,
    Fault::Resume,
    Fault::CutTwice,
    Fault::CutTwice,
    Fault::CutTwice,
    Fault::Island,
    Fault::Island,
    Fault::Island,
    Fault::Split,
    Fault::KillServers,
];

/// Puts a seed's faults into the queue; one in three is followed closely by another.
pub(crate) fn schedule(world: &mut World) {
    let (calm, storm, faults, taste) = (
        world.config.calm,
        world.config.storm,
        world.config.faults,
        world.config.taste,
    );
    for _ in 0..faults {
        let mut at = calm + world.rng.below(storm);
        loop {
            let mut kind = world.rng.index(KINDS.len());
            // A seed has its favourites: half of the kinds come up only as a second choice.
            if taste & (1 << kind) == 0 {
                kind = world.rng.index(KINDS.len());
            }
            world.at(at, What::Fault(KINDS[kind].clone()));
            if !world.rng.chance(350) {
                break;
            }
            at += world.rng.below(900_000);
        }
    }
    let end = calm + storm + 2_500_000;
    world.at(end, What::Heal);
}

/// What follows a decision closely.
const AMBUSHES: [Fault; 12] = [
    Fault::KillServer,
    Fault::CrashAgent,
    Fault::PowerCut,
    Fault::FreezeBoth,
    Fault::CrashLeader,
    Fault::FreezeLeader,
    Fault::Election,
    Fault::CutHost,
    Fault::CutLeader,
    Fault::CutFromReplicas,
    Fault::BreakLinks,
    Fault::BreakStreams,
];

impl World {
    /// A decision just took effect: at times something goes wrong right then.
    pub(crate) fn ambush(&mut self, change: &Change) {
        let matters = matches!(
            change,
            Change::Begin { .. } | Change::Elect { .. } | Change::Open { .. } | Change::AckSetChanged { .. }
        );
        let quiet = self.healed.is_some() || self.now < self.config.calm;
        if !matters || quiet || !self.rng.chance(self.config.ambush) {
            return;
        }
        let kind = AMBUSHES[self.rng.index(AMBUSHES.len())].clone();
        let wait = if self.rng.chance(500) {
            self.rng.below(10_000)
        } else {
            self.rng.below(300_000)
        };
        self.after(wait, What::Fault(kind));
    }

    /// The primary more often than not; else any node.
    fn victim(&mut self) -> usize {
        let primary = self.raft.agreed().primary.clone();
        match primary.and_then(|id| self.node_of(&id)) {
            Some(primary) if self.rng.chance(700) => primary,
            _ => self.rng.index(self.nodes.len()),
        }
    }

    fn span(&mut self) -> Micros {
        if self.rng.chance(500) {
            self.rng.range(50_000, 900_000)
        } else {
            self.rng.range(900_000, 4_500_000)
        }
    }

    pub(crate) fn fault(&mut self, fault: &Fault) {
        if self.healed.is_some() {
            return;
        }
        self.trace.say(self.now, || format!("FAULT {fault:?}"));
        match fault {
            Fault::KillServer => {
                let node = self.victim();
                if let Some(boot) = self.nodes[node].server.as_ref().map(|server| server.boot) {
                    self.kill_server(node, boot, "killed by signal 9");
                }
            }
            Fault::CrashAgent | Fault::PowerCut => {
                let node = self.victim();
                self.crash_agent(node, *fault == Fault::PowerCut);
                let wait = self.span();
                self.after(wait, What::AgentStart { node });
            }
            Fault::FreezeBoth | Fault::FreezeAgent | Fault::FreezeServer => self.fault_freeze(fault),
            Fault::StallDisk => {
                let node = self.victim();
                let until = self.now + self.span();
                self.nodes[node].stalled_until = until;
            }
            Fault::SlowApplier => {
                let node = self.rng.index(self.nodes.len());
                self.nodes[node].apply = self.rng.range(10_000, 80_000);
            }
            Fault::Terminate => {
                let node = self.victim();
                self.tell_agent(node, Event::Terminate);
            }
            Fault::PowerCutAll => {
                for node in 0..self.nodes.len() {
                    self.crash_agent(node, true);
                    let wait = self.span();
                    self.after(wait, What::AgentStart { node });
                }
                self.fault_supervisors();
            }
            _ => self.fault_elsewhere(fault),
        }
    }
}
