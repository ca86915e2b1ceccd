//! What goes wrong, drawn from the seed; and how it is repaired in the end.

use quorate_agent::machine::Event;
use quorate_model::Change;
use quorate_supervisor::machine::Request;

use super::clock::Micros;
use super::event::What;
use super::world::{VOTERS, World};

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
                self.fault_supervisors(true);
            }
            _ => self.fault_elsewhere(fault),
        }
    }

    fn fault_freeze(&mut self, fault: &Fault) {
        let node = self.victim();
        let span = self.span();
        if *fault != Fault::FreezeServer {
            self.pause(node, span);
        }
        if *fault != Fault::FreezeAgent && self.nodes[node].server.is_some() {
            self.nodes[node].frozen = true;
            self.nodes[node].freezes += 1;
            let nonce = self.nodes[node].freezes;
            self.after(span, What::ThawServer { node, nonce });
        }
    }

    fn fault_supervisors(&mut self, all: bool) {
        for supervisor in 0..VOTERS {
            if all {
                self.crash_supervisor(supervisor);
                let wait = self.span();
                self.after(wait, What::SupervisorStart { supervisor });
            }
        }
    }

    fn fault_elsewhere(&mut self, fault: &Fault) {
        let leader = self.raft.leader;
        let some = self.rng.index(VOTERS);
        match fault {
            Fault::CrashSupervisor | Fault::CrashLeader => {
                let supervisor = leader.filter(|_| *fault == Fault::CrashLeader).unwrap_or(some);
                self.crash_supervisor(supervisor);
                let wait = self.span();
                self.after(wait, What::SupervisorStart { supervisor });
            }
            Fault::CrashSupervisors => self.fault_supervisors(true),
            Fault::FreezeSupervisor | Fault::FreezeLeader => {
                let supervisor = leader.filter(|_| *fault == Fault::FreezeLeader).unwrap_or(some);
                let (host, span) = (self.supervisor_host(supervisor), self.span());
                self.pause(host, span);
            }
            Fault::Election => {
                if self.supervisors[some].machine.is_some() {
                    self.elect(some);
                }
            }
            Fault::CrashRouter | Fault::FreezeRouter => {
                let router = self.rng.index(self.routers.len());
                let span = self.span();
                if *fault == Fault::CrashRouter {
                    self.crash_router(router);
                    self.after(span, What::RouterStart { router });
                } else {
                    let host = self.router_host(router);
                    self.pause(host, span);
                }
            }
            Fault::BreakLinks => {
                for link in 0..self.links.len() {
                    if self.rng.chance(500) {
                        self.break_link(link, true);
                    }
                }
            }
            Fault::BreakStreams => {
                let node = self.victim();
                self.cut_tunnels(node, false);
            }
            Fault::Switchover | Fault::Pause | Fault::Resume => self.fault_operator(fault),
            Fault::Mend(pairs) => {
                for (from, to) in pairs {
                    self.network.unblock(*from, *to);
                }
            }
            Fault::KillServers => {
                for node in 0..self.nodes.len() {
                    if let Some(boot) = self.nodes[node].server.as_ref().map(|server| server.boot) {
                        self.kill_server(node, boot, "killed by signal 9");
                    }
                }
            }
            _ => self.fault_network(fault),
        }
    }

    fn fault_operator(&mut self, fault: &Fault) {
        let why = "an operator plays".to_owned();
        let request = match fault {
            Fault::Switchover => {
                let to = if self.rng.chance(400) {
                    let node = self.rng.index(self.nodes.len());
                    Some(self.nodes[node].id.clone())
                } else {
                    None
                };
                Request::Switchover {
                    to,
                    why,
                    epoch: None,
                    dry_run: false,
                }
            }
            Fault::Pause => {
                let span = self.span();
                self.after(span, What::Fault(Fault::Resume));
                Request::Pause { why }
            }
            _ => Request::Resume { why },
        };
        self.ask(&request);
    }

    fn fault_network(&mut self, fault: &Fault) {
        let node = self.victim();
        let hosts = self.paused.len();
        let nodes = self.nodes.len();
        let voters = nodes..nodes + VOTERS;
        let leader = self.supervisor_host(self.raft.leader.unwrap_or(0));
        let span = self.span();
        let pairs: Vec<(usize, usize)> = match fault {
            Fault::CutHost => (0..hosts).map(|other| (node, other)).collect(),
            Fault::CutFromSupervisors => voters.map(|other| (node, other)).collect(),
            Fault::CutFromReplicas => (0..nodes).map(|other| (node, other)).collect(),
            Fault::CutLeader => (0..hosts).map(|other| (leader, other)).collect(),
            Fault::CutRouter => {
                let router = self.router_host(0);
                (0..router).map(|other| (router, other)).collect()
            }
            Fault::CutTwice => {
                let short = self.rng.range(500_000, 1_200_000);
                self.cut((0..nodes).map(|other| (node, other)).collect(), short, false);
                self.cut(voters.map(|other| (node, other)).collect(), short + span, false);
                return;
            }
            Fault::Island => {
                let router = self.router_host(0);
                let island = [node, router];
                let others = || (0..hosts).filter(|other| !island.contains(other));
                let pairs = island
                    .iter()
                    .flat_map(|here| others().map(move |other| (*here, other)))
                    .collect();
                let span = self.rng.range(2_500_000, 5_000_000);
                self.cut(pairs, span, false);
                return;
            }
            Fault::Split => self.halves(node),
            _ => vec![(self.rng.index(hosts), self.rng.index(hosts))],
        };
        let one_way = *fault == Fault::CutOneWay || self.rng.chance(200);
        self.cut(pairs, span, one_way);
    }

    /// Two halves, the victim in the smaller one; a router is with it as often as not.
    fn halves(&mut self, node: usize) -> Vec<(usize, usize)> {
        let hosts = self.paused.len();
        let with: Vec<bool> = (0..hosts).map(|host| host == node || self.rng.chance(300)).collect();
        let both = (0..hosts).flat_map(|a| (0..hosts).map(move |b| (a, b)));
        both.filter(|(a, b)| with[*a] && !with[*b]).collect()
    }

    /// Cuts paths for a while, in both directions or in one.
    fn cut(&mut self, pairs: Vec<(usize, usize)>, span: Micros, one_way: bool) {
        let inward = self.rng.chance(500);
        let mut cut = Vec::new();
        for (a, b) in pairs.into_iter().filter(|(a, b)| a != b) {
            if !one_way || inward {
                cut.push((b, a));
            }
            if !one_way || !inward {
                cut.push((a, b));
            }
        }
        for (from, to) in &cut {
            self.network.block(*from, *to);
        }
        self.trace
            .say(self.now, || format!("cut for {} ms: {cut:?}", span / 1000));
        self.after(span, What::Fault(Fault::Mend(cut)));
    }

    /// SIGSTOP.
    pub(crate) fn pause(&mut self, host: usize, span: Micros) {
        self.paused[host] = true;
        self.pauses[host] += 1;
        let nonce = self.pauses[host];
        self.trace
            .say(self.now, || format!("host {host} stands still for {} ms", span / 1000));
        self.after(span, What::Unpause { host, nonce });
    }

    /// SIGCONT: what came meanwhile is taken in, in order; timers that were due may come first.
    pub(crate) fn unpause(&mut self, host: usize, nonce: u64) {
        if !self.paused[host] || self.pauses[host] != nonce {
            return;
        }
        self.paused[host] = false;
        self.trace.say(self.now, || format!("host {host} goes on"));
        let backlog = std::mem::take(&mut self.backlog[host]);
        if host < self.nodes.len() && self.rng.chance(500) {
            self.stream_word(host);
        }
        for what in backlog {
            self.at(self.now, what);
        }
        if host < self.nodes.len() {
            let life = self.nodes[host].agent.life;
            let event = Box::new(Event::Tick);
            self.after(
                1,
                What::Agent {
                    node: host,
                    life,
                    event,
                },
            );
        }
    }

    pub(crate) fn thaw_server(&mut self, node: usize, nonce: u64) {
        if self.nodes[node].freezes != nonce || !self.nodes[node].frozen {
            return;
        }
        self.nodes[node].frozen = false;
        for what in std::mem::take(&mut self.nodes[node].icebox) {
            self.at(self.now, what);
        }
    }

    /// Everything that is broken is repaired; from here on the tier must find its way.
    pub(crate) fn heal(&mut self) {
        self.trace.say(self.now, || "HEAL".to_owned());
        self.healed = Some(self.now);
        self.network.heal();
        for host in 0..self.paused.len() {
            let nonce = self.pauses[host];
            self.unpause(host, nonce);
        }
        for node in 0..self.nodes.len() {
            let nonce = self.nodes[node].freezes;
            self.thaw_server(node, nonce);
            self.nodes[node].stalled_until = self.nodes[node].stalled_until.min(self.now);
            self.nodes[node].apply = self.nodes[node].apply.min(2_000);
            self.after(500_000, What::AgentStart { node });
        }
        for supervisor in 0..VOTERS {
            self.after(500_000, What::SupervisorStart { supervisor });
        }
        for router in 0..self.routers.len() {
            self.after(500_000, What::RouterStart { router });
        }
        self.mark_progress();
    }
}
