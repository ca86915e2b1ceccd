//! The supervisor's shell: carries out what the real machine decides.

use std::time::Duration;

use quorate_model::{OperationId, SupervisorId, UnixMillis, VoterView};
use quorate_supervisor::machine::{Asked, Effect, Event, Machine, Request, Settings};

use super::clock::{Clock, Micros};
use super::event::{Downward, What};
use super::network::Dialler;
use super::world::{VOTERS, World};

const TICK: Micros = 40_000;

/// One supervisor.
#[derive(Debug)]
pub(crate) struct SupervisorBox {
    pub(crate) id: SupervisorId,
    pub(crate) clock: Clock,
    pub(crate) machine: Option<Machine>,
    pub(crate) life: u32,
    /// How much of the log it has applied; on disk.
    pub(crate) applied: usize,
    /// The term in which it believes that it leads.
    pub(crate) leads: Option<u64>,
    /// Proposals whose outcome it was not told.
    pub(crate) limbo: Vec<OperationId>,
    ticking: bool,
}

impl SupervisorBox {
    pub(crate) const fn new(id: SupervisorId, clock: Clock) -> Self {
        Self {
            id,
            clock,
            machine: None,
            life: 0,
            applied: 0,
            leads: None,
            limbo: Vec::new(),
            ticking: false,
        }
    }
}

impl World {
    pub(crate) fn start_supervisor(&mut self, at: usize) {
        if self.supervisors[at].machine.is_some() {
            return;
        }
        let nonce = self.unique();
        let spec = self.spec.clone();
        let host = &mut self.supervisors[at];
        host.life += 1;
        host.leads = None;
        host.limbo.clear();
        host.ticking = false;
        let settings = Settings {
            me: host.id.clone(),
            spec,
            nonce,
            authority: Duration::from_millis(1500),
        };
        host.machine = Some(Machine::new(settings, host.clock.local(self.now)));
        let (life, applied) = (host.life, host.applied);
        self.trace.say(self.now, || format!("s{}: starts", at + 1));
        if applied > 0 {
            let state = self.raft.states[applied].clone();
            self.tell_supervisor(at, Event::Applied(state));
        }
        for link in 0..self.links.len() {
            if self.links[link].supervisor == at {
                let wait = self.rng.below(100_000);
                self.after(wait, What::Dial { link });
            }
        }
        self.after(TICK, What::SupervisorTick { supervisor: at, life });
    }

    pub(crate) fn crash_supervisor(&mut self, at: usize) {
        if self.supervisors[at].machine.take().is_none() {
            return;
        }
        self.trace.say(self.now, || format!("s{}: dies", at + 1));
        let host = self.supervisor_host(at);
        let boxed = &mut self.supervisors[at];
        boxed.life += 1;
        boxed.leads = None;
        if self.raft.leader == Some(at) {
            self.raft.leader = None;
        }
        let boxed = &mut self.supervisors[at];
        // The last applied entries may have to be applied again.
        boxed.applied = boxed
            .applied
            .saturating_sub(usize::try_from(self.rng.below(3)).unwrap_or(0));
        self.backlog[host].clear();
        self.paused[host] = false;
        for link in 0..self.links.len() {
            if self.links[link].supervisor == at {
                self.break_link(link, true);
            }
        }
    }

    pub(crate) fn supervisor_hears(&mut self, at: usize, life: u32, event: Event) {
        if self.supervisors[at].life == life {
            self.tell_supervisor(at, event);
        }
    }

    pub(crate) fn tell_supervisor(&mut self, at: usize, event: Event) {
        let host = self.supervisor_host(at);
        let life = self.supervisors[at].life;
        if self.paused[host] {
            self.backlog[host].push(What::Supervisor {
                supervisor: at,
                life,
                event: Box::new(event),
            });
            return;
        }
        let local = self.supervisors[at].clock.local(self.now);
        let Some(machine) = self.supervisors[at].machine.as_mut() else {
            return;
        };
        let effects = machine.handle(local, event);
        for effect in effects {
            self.supervisor_does(at, effect);
        }
    }

    pub(crate) fn tick_supervisor(&mut self, at: usize, life: u32) {
        if self.supervisors[at].life != life {
            return;
        }
        let host = self.supervisor_host(at);
        if self.paused[host] {
            // One tick waits, not one for each interval.
            if !std::mem::replace(&mut self.supervisors[at].ticking, true) {
                self.backlog[host].push(What::SupervisorTick { supervisor: at, life });
            }
            return;
        }
        self.supervisors[at].ticking = false;
        self.after(TICK, What::SupervisorTick { supervisor: at, life });
        self.tell_supervisor(
            at,
            Event::Tick {
                unix: UnixMillis(self.now / 1000),
            },
        );
    }

    fn supervisor_does(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Propose(command) => {
                self.trace
                    .say(self.now, || format!("s{}: proposes {:?}", at + 1, command.change));
                self.record_plan(at);
                self.propose(at, command);
            }
            Effect::Send { node, order } => {
                self.trace.say(self.now, || format!("s{}: to {node} {order:?}", at + 1));
                if let Some(link) = self.link_to(at, self.node_of(&node)) {
                    self.send_down(link, Downward::Order(order));
                }
            }
            Effect::Grant { node, grant } => {
                if let Some(link) = self.link_to(at, self.node_of(&node)) {
                    self.send_down(link, Downward::Lease(grant));
                }
            }
            Effect::Routes(table) => {
                self.trace.say(self.now, || {
                    format!("s{}: routes epoch {} {:?}", at + 1, table.epoch, table.writable)
                });
                for link in 0..self.links.len() {
                    if self.links[link].supervisor == at && matches!(self.links[link].dialler, Dialler::Router(_)) {
                        self.send_down(link, Downward::Routes(table.clone()));
                    }
                }
            }
            Effect::View(view) => {
                for to in (0..VOTERS).filter(|to| *to != at) {
                    let wait = self.network.delay(&mut self.rng);
                    self.after(
                        wait,
                        What::View {
                            from: at,
                            to,
                            view: Box::new(view.clone()),
                        },
                    );
                }
            }
            Effect::Answer { request, answer } => {
                self.trace
                    .say(self.now, || format!("s{}: answers {request}: {answer:?}", at + 1));
            }
            Effect::Alarm(violations) => {
                if let Some(first) = violations.first() {
                    self.breach("audit", format!("s{} stopped a plan: {first:?}", at + 1));
                }
            }
        }
    }

    fn link_to(&self, supervisor: usize, node: Option<usize>) -> Option<usize> {
        let node = node?;
        let wanted = Dialler::Agent(node);
        self.links
            .iter()
            .position(|link| link.supervisor == supervisor && link.dialler == wanted)
    }

    pub(crate) fn deliver_view(&mut self, from: usize, to: usize, view: VoterView) {
        if self.network.open(self.supervisor_host(from), self.supervisor_host(to)) {
            self.tell_supervisor(to, Event::VoterView(view));
        }
    }

    /// An operator asks every supervisor; the leader takes it.
    pub(crate) fn ask(&mut self, request: &Request) {
        for at in 0..VOTERS {
            let id = self.unique();
            let asked = Asked {
                id,
                by: "operator".to_owned(),
                request: request.clone(),
            };
            self.tell_supervisor(at, Event::Request(asked));
        }
    }
}
