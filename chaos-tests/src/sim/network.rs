//! Hosts, what lies between them, and the links of agents and routers to the supervisors.

use std::collections::VecDeque;

use quorate_agent::machine as agent;
use quorate_router::machine as router;
use quorate_supervisor::machine as supervisor;

use super::clock::Micros;
use super::event::{Downward, Upward, What};
use super::rng::Rng;
use super::world::World;

/// A message waits so long for a path before it is tried again, as TCP would.
const RETRANSMIT: Micros = 40_000;

/// What lies between hosts: cut or slow, each direction by itself.
#[derive(Debug)]
pub(crate) struct Network {
    hosts: usize,
    /// How many faults block a direction.
    blocked: Vec<u8>,
    /// Typical one-way delay.
    delay: Micros,
    /// How many in a thousand messages are late, and by how much at most.
    late: (u64, Micros),
}

impl Network {
    pub(crate) fn new(hosts: usize, rng: &mut Rng) -> Self {
        Self {
            hosts,
            blocked: vec![0; hosts * hosts],
            delay: rng.range(100, 3_000),
            late: (rng.below(30), rng.range(5_000, 150_000)),
        }
    }

    /// Whether something sent now would arrive.
    pub(crate) fn open(&self, from: usize, to: usize) -> bool {
        self.blocked[from * self.hosts + to] == 0
    }

    pub(crate) fn both(&self, a: usize, b: usize) -> bool {
        self.open(a, b) && self.open(b, a)
    }

    pub(crate) fn block(&mut self, from: usize, to: usize) {
        self.blocked[from * self.hosts + to] += 1;
    }

    pub(crate) fn unblock(&mut self, from: usize, to: usize) {
        let blocked = &mut self.blocked[from * self.hosts + to];
        *blocked = blocked.saturating_sub(1);
    }

    pub(crate) fn heal(&mut self) {
        self.blocked.fill(0);
    }

    pub(crate) fn delay(&self, rng: &mut Rng) -> Micros {
        let usual = self.delay / 2 + rng.below(self.delay + 1);
        if rng.chance(self.late.0) {
            usual + rng.below(self.late.1)
        } else {
            usual
        }
    }
}

/// Who dials supervisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialler {
    Agent(usize),
    Router(usize),
}

/// One direction of a connection: first in, first out.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    queue: VecDeque<(Micros, T)>,
    scheduled: bool,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            scheduled: false,
        }
    }
}

/// A connection of an agent or a router to a supervisor, with its lives.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) dialler: Dialler,
    pub(crate) supervisor: usize,
    /// Which connection, if one stands.
    pub(crate) life: Option<u64>,
    lives: u64,
    up: Lane<Upward>,
    down: Lane<Downward>,
    /// Since when a direction has been cut.
    stalled: Option<Micros>,
    pause: Micros,
}

impl Link {
    pub(crate) fn new(dialler: Dialler, supervisor: usize) -> Self {
        Self {
            dialler,
            supervisor,
            life: None,
            lives: 0,
            up: Lane::default(),
            down: Lane::default(),
            stalled: None,
            pause: 50_000,
        }
    }
}

impl World {
    pub(crate) fn dialler_host(&self, dialler: Dialler) -> usize {
        match dialler {
            Dialler::Agent(node) => node,
            Dialler::Router(router) => self.router_host(router),
        }
    }

    fn dialler_runs(&self, dialler: Dialler) -> bool {
        match dialler {
            Dialler::Agent(node) => self.nodes[node].agent.machine.is_some(),
            Dialler::Router(router) => self.routers[router].machine.is_some(),
        }
    }

    /// One attempt to connect.
    pub(crate) fn dial(&mut self, at: usize) {
        let (dialler, supervisor) = (self.links[at].dialler, self.links[at].supervisor);
        if self.links[at].life.is_some() || !self.dialler_runs(dialler) {
            return;
        }
        let (here, there) = (self.dialler_host(dialler), self.supervisor_host(supervisor));
        let answers = self.supervisors[supervisor].machine.is_some() && !self.paused[there] && !self.paused[here];
        if !answers || !self.network.both(here, there) {
            let pause = self.links[at].pause;
            self.links[at].pause = (pause * 2).min(1_000_000);
            let wait = pause / 2 + self.rng.below(pause / 2 + 1);
            self.after(wait, What::Dial { link: at });
            return;
        }
        let link = &mut self.links[at];
        link.lives += 1;
        link.life = Some(link.lives);
        link.up = Lane::default();
        link.down = Lane::default();
        link.stalled = None;
        link.pause = 50_000;
        match dialler {
            Dialler::Agent(node) => {
                let node = self.nodes[node].id.clone();
                self.tell_supervisor(supervisor, supervisor::Event::AgentConnected { node });
                self.agent_links_up(dialler, at);
            }
            Dialler::Router(_) => {
                let table = self.supervisors[supervisor]
                    .machine
                    .as_ref()
                    .and_then(|m| m.routes().cloned());
                if let Some(table) = table {
                    self.send_down(at, Downward::Routes(table));
                }
                self.agent_links_up(dialler, at);
            }
        }
    }

    /// The newest report lies ready for whoever connects.
    fn agent_links_up(&mut self, dialler: Dialler, at: usize) {
        let last = match dialler {
            Dialler::Agent(node) => self.nodes[node].agent.last_report.clone().map(Upward::Report),
            Dialler::Router(router) => self.routers[router].last_report.clone().map(Upward::Router),
        };
        if let Some(message) = last {
            self.send_up(at, message);
        }
    }

    pub(crate) fn send_up(&mut self, at: usize, message: Upward) {
        let Some(life) = self.links[at].life else { return };
        let ready = self.now + self.network.delay(&mut self.rng);
        let lane = &mut self.links[at].up;
        lane.queue.push_back((ready, message));
        if !lane.scheduled {
            lane.scheduled = true;
            self.at(
                ready,
                What::Pump {
                    link: at,
                    life,
                    up: true,
                },
            );
        }
    }

    pub(crate) fn send_down(&mut self, at: usize, message: Downward) {
        let Some(life) = self.links[at].life else { return };
        let ready = self.now + self.network.delay(&mut self.rng);
        let lane = &mut self.links[at].down;
        lane.queue.push_back((ready, message));
        if !lane.scheduled {
            lane.scheduled = true;
            self.at(
                ready,
                What::Pump {
                    link: at,
                    life,
                    up: false,
                },
            );
        }
    }

    /// Delivers what has arrived; a link that was cut for too long breaks.
    pub(crate) fn pump(&mut self, at: usize, life: u64, up: bool) {
        if self.links[at].life != Some(life) {
            return;
        }
        let (dialler, supervisor) = (self.links[at].dialler, self.links[at].supervisor);
        let (here, there) = (self.dialler_host(dialler), self.supervisor_host(supervisor));
        if self.network.both(here, there) {
            self.links[at].stalled = None;
        } else {
            let since = *self.links[at].stalled.get_or_insert(self.now);
            if self.now - since > self.config.link_dies_after {
                self.break_link(at, false);
                return;
            }
        }
        let open = if up {
            self.network.open(here, there)
        } else {
            self.network.open(there, here)
        };
        if !open {
            self.after(RETRANSMIT, What::Pump { link: at, life, up });
            return;
        }
        while self.links[at].life == Some(life) {
            let now = self.now;
            if up {
                let Some(message) = ready(&mut self.links[at].up, now) else {
                    break;
                };
                self.deliver_up(supervisor, message);
            } else {
                let Some(message) = ready(&mut self.links[at].down, now) else {
                    break;
                };
                self.deliver_down(dialler, message);
            }
        }
        if self.links[at].life != Some(life) {
            return;
        }
        let link = &mut self.links[at];
        let next = if up {
            link.up.queue.front().map(|m| m.0)
        } else {
            link.down.queue.front().map(|m| m.0)
        };
        match next {
            Some(next) => self.at(next, What::Pump { link: at, life, up }),
            None if up => link.up.scheduled = false,
            None => link.down.scheduled = false,
        }
    }

    fn deliver_up(&mut self, supervisor: usize, message: Upward) {
        let event = match message {
            Upward::Report(report) => supervisor::Event::Report(report),
            Upward::Router(report) => supervisor::Event::RouterReport(report),
        };
        self.tell_supervisor(supervisor, event);
    }

    fn deliver_down(&mut self, dialler: Dialler, message: Downward) {
        match (dialler, message) {
            (Dialler::Agent(node), Downward::Order(order)) => {
                // Twice at times; never after a later one of the same supervisor.
                if self.rng.chance(self.config.ghosts) {
                    self.tell_agent(node, agent::Event::Order(order.clone()));
                }
                self.tell_agent(node, agent::Event::Order(order));
            }
            (Dialler::Agent(node), Downward::Lease(grant)) => {
                self.late_at_times(node, &agent::Event::Lease(grant.clone()));
                self.tell_agent(node, agent::Event::Lease(grant));
            }
            (Dialler::Router(router), Downward::Routes(table)) => {
                if self.rng.chance(self.config.ghosts) {
                    let late = self.rng.below(3_000_000);
                    let life = self.routers[router].life;
                    let event = Box::new(router::Event::Table(table.clone()));
                    self.after(late, What::Router { router, life, event });
                }
                self.tell_router(router, router::Event::Table(table));
            }
            _ => {}
        }
    }

    /// At times it comes again much later, out of order: what an old connection still held.
    fn late_at_times(&mut self, node: usize, event: &agent::Event) {
        if self.rng.chance(self.config.ghosts) {
            let late = self.rng.below(4_000_000);
            let life = self.nodes[node].agent.life;
            let event = Box::new(event.clone());
            self.after(late, What::Agent { node, life, event });
        }
    }

    /// Ends a link: by a reset, which the supervisor sees as such, or by silence.
    pub(crate) fn break_link(&mut self, at: usize, reset: bool) {
        if self.links[at].life.take().is_none() {
            return;
        }
        let (dialler, supervisor) = (self.links[at].dialler, self.links[at].supervisor);
        let (here, there) = (self.dialler_host(dialler), self.supervisor_host(supervisor));
        let reset = reset && self.network.open(here, there);
        if let Dialler::Agent(node) = dialler {
            let node = self.nodes[node].id.clone();
            let wait = if reset { self.network.delay(&mut self.rng) } else { 0 };
            let life = self.supervisors[supervisor].life;
            let event = Box::new(supervisor::Event::AgentDisconnected { node, reset });
            self.after(
                wait,
                What::Supervisor {
                    supervisor,
                    life,
                    event,
                },
            );
        }
        let wait = 50_000 + self.rng.below(50_000);
        self.after(wait, What::Dial { link: at });
    }

    /// Ends every link of a dialler; `reset` if its kernel still says so.
    pub(crate) fn break_links_of(&mut self, dialler: Dialler, reset: bool) {
        for at in 0..self.links.len() {
            if self.links[at].dialler == dialler {
                self.break_link(at, reset);
            }
        }
    }
}

fn ready<T>(lane: &mut Lane<T>, now: Micros) -> Option<T> {
    if lane.queue.front()?.0 > now {
        return None;
    }
    lane.queue.pop_front().map(|(_, message)| message)
}
