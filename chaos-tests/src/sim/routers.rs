//! The router's shell: carries out what the real machine decides.

use quorate_model::{ClusterId, Epoch, RouteTable, RouterId, RouterReport};
use quorate_router::machine::{Effect, Event, Load, Machine};

use super::clock::{Clock, Micros};
use super::event::{Upward, What};
use super::network::Dialler;
use super::sabotage::Sabotage;
use super::world::World;

const TICK: Micros = 250_000;

/// One router.
#[derive(Debug)]
pub(crate) struct RouterBox {
    pub(crate) id: RouterId,
    pub(crate) clock: Clock,
    pub(crate) machine: Option<Machine>,
    pub(crate) life: u32,
    pub(crate) disk: Option<RouteTable>,
    /// The table that connections read.
    pub(crate) table: Option<RouteTable>,
    /// No connection below this epoch may be opened.
    pub(crate) floor: u64,
    pub(crate) last_report: Option<RouterReport>,
    ticking: bool,
}

impl RouterBox {
    pub(crate) const fn new(id: RouterId, clock: Clock) -> Self {
        Self {
            id,
            clock,
            machine: None,
            life: 0,
            disk: None,
            table: None,
            floor: 0,
            last_report: None,
            ticking: false,
        }
    }
}

impl World {
    pub(crate) fn start_router(&mut self, at: usize) {
        if self.routers[at].machine.is_some() {
            return;
        }
        self.break_links_of(Dialler::Router(at), true);
        let host = &mut self.routers[at];
        host.life += 1;
        host.table = None;
        host.floor = 0;
        host.last_report = None;
        host.ticking = false;
        host.machine = Some(Machine::new(host.id.clone(), ClusterId::new("sim")));
        let (life, restored) = (host.life, host.disk.clone());
        self.trace.say(self.now, || format!("r{}: starts", at + 1));
        if let Some(table) = restored {
            self.tell_router(at, Event::Restored(table));
        }
        for link in 0..self.links.len() {
            if self.links[link].dialler == Dialler::Router(at) {
                let wait = self.rng.below(50_000);
                self.after(wait, What::Dial { link });
            }
        }
        self.after(1_000, What::RouterTick { router: at, life });
    }

    pub(crate) fn crash_router(&mut self, at: usize) {
        if self.routers[at].machine.take().is_none() {
            return;
        }
        self.trace.say(self.now, || format!("r{}: dies", at + 1));
        self.routers[at].life += 1;
        let host = self.router_host(at);
        self.backlog[host].clear();
        self.paused[host] = false;
        self.break_links_of(Dialler::Router(at), true);
        self.cut_clients_of(at, u64::MAX);
    }

    pub(crate) fn router_hears(&mut self, at: usize, life: u32, event: Event) {
        if self.routers[at].life == life {
            self.tell_router(at, event);
        }
    }

    pub(crate) fn tell_router(&mut self, at: usize, event: Event) {
        let host = self.router_host(at);
        let life = self.routers[at].life;
        if self.paused[host] {
            self.backlog[host].push(What::Router {
                router: at,
                life,
                event: Box::new(event),
            });
            return;
        }
        let local = self.routers[at].clock.local(self.now);
        let Some(machine) = self.routers[at].machine.as_mut() else {
            return;
        };
        let effects = machine.handle(local, event);
        for effect in effects {
            self.router_does(at, effect);
        }
    }

    pub(crate) fn tick_router(&mut self, at: usize, life: u32) {
        if self.routers[at].life != life {
            return;
        }
        let host = self.router_host(at);
        if self.paused[host] {
            if !std::mem::replace(&mut self.routers[at].ticking, true) {
                self.backlog[host].push(What::RouterTick { router: at, life });
            }
            return;
        }
        self.routers[at].ticking = false;
        self.after(TICK, What::RouterTick { router: at, life });
        self.tell_router(at, Event::Tick(Load::default()));
    }

    fn router_does(&mut self, at: usize, effect: Effect) {
        let life = self.routers[at].life;
        match effect {
            Effect::Cut { below } => {
                if self.sabotage != Some(Sabotage::RouterKeepsOldConnections) {
                    self.routers[at].floor = self.routers[at].floor.max(below.0);
                    self.cut_clients_of(at, below.0);
                }
                let wait = self.rng.below(3_000);
                let event = Box::new(Event::Drained { below });
                self.after(
                    wait,
                    What::Router {
                        router: at,
                        life,
                        event,
                    },
                );
            }
            Effect::Use(table) => {
                self.trace.say(self.now, || {
                    format!("r{}: uses epoch {} {:?}", at + 1, table.epoch, table.writable)
                });
                self.routers[at].table = Some(table);
            }
            Effect::Persist(table) => {
                let wait = self.rng.range(300, 8_000);
                self.after(
                    wait,
                    What::RouterPersisted {
                        router: at,
                        life,
                        table: Box::new(table),
                    },
                );
            }
            Effect::Report(report) => {
                self.judge_confirmation(at, report.confirmed);
                self.routers[at].last_report = Some(report.clone());
                for link in 0..self.links.len() {
                    if self.links[link].dialler == Dialler::Router(at) {
                        self.send_up(link, Upward::Router(report.clone()));
                    }
                }
            }
        }
    }

    pub(crate) fn router_persisted(&mut self, at: usize, life: u32, table: RouteTable) {
        if self.routers[at].life != life {
            return;
        }
        let epoch: Epoch = table.epoch;
        let newer = self.routers[at]
            .disk
            .as_ref()
            .is_none_or(|old| old.cmp_issue(&table).is_lt());
        if newer {
            self.routers[at].disk = Some(table);
        }
        self.tell_router(at, Event::Persisted { epoch });
    }
}
