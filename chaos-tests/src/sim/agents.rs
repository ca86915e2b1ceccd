//! The agent's shell around the real machine, on a simulated node: when it lives, and what it tells the machine.

mod effects;

use std::collections::{BTreeMap, BTreeSet};

use quorate_agent::machine::{self as agent, Door, Durable, Event, Identity, Machine, Settings, Target};
use quorate_model::{AgentReport, DoorState, Incarnation, NodeId};

use super::clock::{Clock, Micros};
use super::event::What;
use super::mariadb::{Disk, Server};
use super::network::Dialler;
use super::replication::Stream;
use super::rng::Rng;
use super::sabotage::Sabotage;
use super::world::World;

/// One node: its disk, its server, its agent.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) server_id: u32,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    pub(crate) server: Option<Server>,
    /// The server's process stands still, and what came to it meanwhile.
    pub(crate) frozen: bool,
    pub(crate) freezes: u64,
    pub(crate) icebox: Vec<What>,
    /// The disk takes nothing until then.
    pub(crate) stalled_until: Micros,
    /// How long the applier takes for one transaction.
    pub(crate) apply: Micros,
    /// The last stop was a power cut.
    pub(crate) power_cut: bool,
    pub(crate) agent: AgentBox,
    /// What this node receives, as a replica.
    pub(crate) stream: Stream,
    /// Tunnels that this node's door has let in, as a primary.
    pub(crate) tunnels: BTreeMap<usize, u64>,
}

/// The agent process and its file.
#[derive(Debug)]
pub(crate) struct AgentBox {
    pub(crate) machine: Option<Machine>,
    pub(crate) life: u32,
    pub(crate) durable: Durable,
    /// On its way to the disk.
    writing: Vec<Durable>,
    pub(crate) door: Door,
    pub(crate) relay: Option<Target>,
    pub(crate) last_report: Option<Box<AgentReport>>,
    wake_at: Micros,
    pub(crate) cancelled: BTreeSet<u64>,
    /// A planned stop: it comes back by itself.
    pub(crate) comes_back: bool,
}

impl Node {
    pub(crate) fn new(at: usize, clock: Clock, rng: &mut Rng) -> Self {
        Self {
            id: NodeId::new(format!("m{}", at + 1)),
            server_id: 11 + u32::try_from(at).unwrap_or(0),
            clock,
            disk: Disk::default(),
            server: None,
            frozen: false,
            freezes: 0,
            icebox: Vec::new(),
            stalled_until: 0,
            apply: rng.range(100, 2_000),
            power_cut: false,
            agent: AgentBox {
                machine: None,
                life: 0,
                durable: Durable::default(),
                writing: Vec::new(),
                door: Door::closed(),
                relay: None,
                last_report: None,
                wake_at: Micros::MAX,
                cancelled: BTreeSet::new(),
                comes_back: true,
            },
            stream: Stream::default(),
            tunnels: BTreeMap::new(),
        }
    }

    /// The epoch under which the door lets replicas in.
    pub(crate) const fn door_epoch(&self) -> Option<u64> {
        match self.agent.door.state {
            DoorState::Replicas { epoch } | DoorState::Open { epoch } => Some(epoch.0),
            DoorState::Closed | DoorState::ReadOnly { .. } => None,
        }
    }
}

impl World {
    pub(crate) fn start_agent(&mut self, at: usize) {
        if self.nodes[at].agent.machine.is_some() {
            return;
        }
        self.break_links_of(Dialler::Agent(at), true);
        let node = &mut self.nodes[at];
        let identity = Identity {
            node: node.id.clone(),
            incarnation: Incarnation::new(format!("i{}", at + 1)),
            server_id: node.server_id,
        };
        let local = node.clock.local(self.now);
        node.agent.life += 1;
        node.agent.door = Door::closed();
        node.agent.relay = None;
        node.agent.last_report = None;
        node.agent.wake_at = Micros::MAX;
        node.agent.comes_back = true;
        node.agent.cancelled.clear();
        node.agent.machine = Some(Machine::new(identity, Settings::default(), node.agent.durable, local));
        let life = node.agent.life;
        self.trace.say(self.now, || format!("m{}: agent starts", at + 1));
        for link in 0..self.links.len() {
            if self.links[link].dialler == Dialler::Agent(at) {
                let wait = self.rng.below(20_000);
                self.after(wait, What::Dial { link });
            }
        }
        self.after(50_000, What::AgentObserve { node: at, life });
        self.tell_agent(at, Event::Stream(None));
    }

    /// The process ends, and its server with it. `host` if the machine itself is gone: no connection is reset.
    pub(crate) fn crash_agent(&mut self, at: usize, host: bool) {
        if self.nodes[at].agent.machine.take().is_none() {
            return;
        }
        self.trace
            .say(self.now, || format!("m{}: agent dies (host gone: {host})", at + 1));
        let agent = &mut self.nodes[at].agent;
        agent.life += 1;
        // What was on its way to the disk got there or not.
        for durable in std::mem::take(&mut agent.writing) {
            if self.rng.chance(500) {
                agent.durable = durable;
            } else {
                break;
            }
        }
        self.nodes[at].agent.door = Door::closed();
        self.nodes[at].agent.relay = None;
        self.backlog[at].clear();
        self.paused[at] = false;
        if !host {
            self.break_links_of(Dialler::Agent(at), true);
        }
        self.nodes[at].power_cut = host;
        self.bury_server(at, host);
        self.cut_clients_at(at, host);
        self.cut_tunnels(at, host);
    }

    pub(crate) fn agent_hears(&mut self, at: usize, life: u32, event: Event) {
        if self.nodes[at].agent.life == life {
            self.tell_agent(at, event);
        }
    }

    /// Something for the agent's machine, at once or when the process runs again.
    pub(crate) fn tell_agent(&mut self, at: usize, event: Event) {
        let life = self.nodes[at].agent.life;
        if self.paused[at] {
            self.backlog[at].push(What::Agent {
                node: at,
                life,
                event: Box::new(event),
            });
            return;
        }
        let node = &self.nodes[at];
        let local = node.clock.local(self.now);
        // As the shell does: how the stream stands comes first, whatever the event.
        let word = Event::Stream(node.stream.last_byte.map(|byte| node.clock.local(byte)));
        let event = Some(event).filter(|event| !matches!(event, Event::Stream(_)));
        for event in [Some(word), event].into_iter().flatten() {
            let Some(machine) = self.nodes[at].agent.machine.as_mut() else {
                return;
            };
            for effect in machine.handle(local, event) {
                self.agent_does(at, effect);
            }
        }
        self.schedule_wake(at);
    }

    fn schedule_wake(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(machine) = &node.agent.machine else { return };
        let wake = node.clock.real(machine.wake()).max(self.now + 1);
        if wake < node.agent.wake_at || node.agent.wake_at <= self.now {
            let life = node.agent.life;
            self.nodes[at].agent.wake_at = wake;
            self.at(wake, What::AgentWake { node: at, life });
        }
    }

    pub(crate) fn wake_agent(&mut self, at: usize, life: u32) {
        let agent = &self.nodes[at].agent;
        if agent.life != life || agent.wake_at != self.now {
            return;
        }
        if self.paused[at] {
            self.nodes[at].agent.wake_at = Micros::MAX;
            return;
        }
        self.stream_word(at);
        if self.nodes[at].agent.wake_at <= self.now {
            self.schedule_wake(at);
        }
    }

    /// How the stream stands, which is a tick as well.
    pub(crate) fn stream_word(&mut self, at: usize) {
        let node = &self.nodes[at];
        let last = node.stream.last_byte.map(|byte| node.clock.local(byte));
        self.tell_agent(at, Event::Stream(last));
    }

    /// The shell looks at the server at an interval.
    pub(crate) fn observe(&mut self, at: usize, life: u32) {
        let node = &self.nodes[at];
        if node.agent.life != life {
            return;
        }
        let Some(machine) = &node.agent.machine else { return };
        let every = u64::try_from(machine.observe_every().as_micros()).unwrap_or(100_000);
        self.after(every, What::AgentObserve { node: at, life });
        if self.paused[at] {
            return;
        }
        if self.nodes[at].stalled_until <= self.now && self.rng.chance(300) {
            self.nodes[at].disk.flushed = self.nodes[at].disk.committed;
        }
        let node = &self.nodes[at];
        let (frozen, server) = (node.frozen, node.server.as_ref().filter(|server| server.answering));
        if let Some(server) = server
            && !frozen
        {
            let (boot, facts) = (server.boot, server.facts(&node.disk));
            let event = Box::new(Event::Facts { boot, facts });
            let wait = self.rng.range(300, 6_000);
            self.after(wait, What::Agent { node: at, life, event });
        }
        self.stream_word(at);
    }

    pub(crate) fn persisted(&mut self, at: usize, life: u32, durable: Durable) {
        if self.nodes[at].agent.life != life {
            return;
        }
        if self.nodes[at].stalled_until > self.now {
            let until = self.nodes[at].stalled_until;
            self.at(
                until + 500,
                What::AgentPersisted {
                    node: at,
                    life,
                    durable,
                },
            );
            return;
        }
        let agent = &mut self.nodes[at].agent;
        // A later write has replaced this one.
        let Some(place) = agent.writing.iter().position(|other| *other == durable) else {
            return;
        };
        agent.writing.drain(..=place);
        let before = agent.durable;
        if durable.promised < before.promised {
            self.breach(
                "I2",
                format!("m{} forgets its promise of epoch {}", at + 1, before.promised),
            );
        }
        if self.sabotage != Some(Sabotage::PromiseNotPersisted) {
            self.nodes[at].agent.durable = durable;
            self.record_promise(at, durable.promised);
        }
        self.tell_agent(at, Event::Persisted(durable));
    }

    /// Whether the agent process works: it relays nothing while it does not.
    pub(crate) fn agent_works(&self, at: usize) -> bool {
        self.nodes[at].agent.machine.is_some() && !self.paused[at]
    }

    /// Whether clients of `epoch` may be served through this door now.
    pub(crate) fn door_serves(&self, at: usize, epoch: u64) -> bool {
        let node = &self.nodes[at];
        let open = matches!(node.agent.door.state, DoorState::Open { epoch: of } if of.0 == epoch);
        let leased = self.sabotage == Some(Sabotage::DoorIgnoresLease)
            || node
                .agent
                .machine
                .as_ref()
                .is_some_and(|machine| node.clock.local(self.now) < machine.clients_until());
        open && leased
    }
}

/// The epoch that a step works for, where it names one.
pub(crate) const fn step_epoch(step: &agent::Step) -> Option<u64> {
    match step {
        agent::Step::Attach { epoch } | agent::Step::WriteEpoch { epoch, .. } => Some(epoch.0),
        _ => None,
    }
}
