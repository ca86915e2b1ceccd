//! The agent's decisions: event and time in, effects out. No IO, no clock, no randomness.
//!
//! The machine is level-triggered: every event changes what is known, then [`Machine::handle`] compares what the node is
//! with what the last accepted order says that it shall be, and emits the one next thing to do. So an order
//! given twice, a lost report or a restart in between costs time only.
//!
//! The rules (`I..` are the project's invariants), one file each:
//!
//! - `orders`: an epoch below the promise, or an index below the highest seen in the epoch, is refused; the promise is on
//!   disk before anything is done about an order (I2, I16).
//! - `boot`: start behind the gate, salvage first, kill (I11).
//! - `replica`: revoked and following. A server that was primary in this boot is never demoted by SQL: it is killed
//!   and booted behind the gate (I12, I13).
//! - `primary`: drain, arm, epoch row, open, freeze (I14, I15).
//! - `lease`, `failsafe`: when clients may be served, and what was promised to a primary (I9, I10).
//! - `door`: who is admitted and whose acknowledgements pass (I3, I8).
//! - `probe`, `stop`, `report`: the write probes, the planned stop, and what is said about all this.

mod boot;
mod door;
mod durable;
mod effect;
mod event;
mod failsafe;
mod lease;
mod orders;
mod primary;
mod probe;
mod replica;
mod report;
mod server;
mod settings;
mod stop;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_model::{Epoch, Finding, GtidSet, Incarnation, Moment, NodeId, Order, Task};

pub use durable::Durable;
pub use effect::{Door, Effect, Probe, Step, Target};
pub use event::{Event, StepResult};
pub use settings::Settings;

use failsafe::{Asker, Grantor};
use lease::Lease;
use probe::Probes;
use report::Reports;
use server::{PendingStep, Role, Server};

/// Who the machine speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// Its data directory.
    pub incarnation: Incarnation,
    /// The `server_id` it writes under.
    pub server_id: u32,
}

/// The decisions of one agent.
#[derive(Debug)]
pub struct Machine {
    identity: Identity,
    settings: Settings,
    /// What is on disk.
    durable: Durable,
    /// What is on its way to the disk.
    writing: Option<Durable>,
    /// The last accepted order; carried out only once its epoch is promised on disk.
    order: Option<Order>,
    order_at: Moment,
    server: Server,
    step: Option<PendingStep>,
    steps: u64,
    /// No step or start is tried before.
    retry_at: Moment,
    failed_starts: u32,
    /// Observations since the last order that asks for other work; the first may have begun before it.
    observed: u32,
    /// Why the order is not carried out, until something succeeds.
    trouble: Option<String>,
    /// The epoch and boot for which the role was taken; another boot does not continue it.
    leading: Option<(Epoch, u64)>,
    lease: Lease,
    asker: Asker,
    /// The epoch of the last question.
    asker_epoch: Epoch,
    grantor: Grantor,
    probes: Probes,
    stream: Option<Moment>,
    /// Not before this, the server received something: more may wait between the relay and it.
    moved: Moment,
    final_binlog: Option<GtidSet>,
    findings: Vec<Finding>,
    alike: BTreeMap<String, String>,
    /// A planned stop, and how long it waits for a handover.
    stop_by: Option<Moment>,
    exited: bool,
    /// What the door and the relay were last told.
    door: Door,
    /// Nodes that were just cut off, and how many observations still count as older than the cut.
    leaving: Option<(BTreeSet<NodeId>, u8)>,
    relay: Option<Target>,
    reports: Reports,
    now: Moment,
    out: Vec<Effect>,
}

impl Machine {
    /// A machine whose server is down; the first [`Event::Tick`] boots it behind the gate.
    #[must_use]
    pub fn new(identity: Identity, settings: Settings, durable: Durable, now: Moment) -> Self {
        let grantor = Grantor::after_restart(&settings, &durable, now);
        Self {
            identity,
            settings,
            durable,
            writing: None,
            order: None,
            order_at: now,
            server: Server::never_started(now),
            step: None,
            steps: 0,
            retry_at: now,
            failed_starts: 0,
            observed: 0,
            trouble: None,
            leading: None,
            lease: Lease::default(),
            asker: Asker::default(),
            asker_epoch: Epoch::ZERO,
            grantor,
            probes: Probes::default(),
            stream: None,
            moved: Moment::ZERO,
            final_binlog: None,
            findings: Vec::new(),
            alike: BTreeMap::new(),
            stop_by: None,
            exited: false,
            door: Door::closed(),
            leaving: None,
            relay: None,
            reports: Reports::default(),
            now,
            out: Vec::new(),
        }
    }

    /// Takes in one event and says what to do. `now` never goes back.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        self.now = self.now.max(now);
        self.take_in(event);
        // First whatever makes the node more harmless, then the one next thing to do.
        self.sync_ports();
        self.advance();
        self.ask_failsafe();
        self.ask_probes();
        self.sync_ports();
        self.report_if_due();
        self.finish_stop();
        std::mem::take(&mut self.out)
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Order(order) => self.take_order(order),
            Event::Lease(grant) => self.take_lease(&grant),
            Event::Persisted(durable) => self.take_persisted(durable),
            Event::ServerUp { boot, facts } => self.take_server_up(boot, facts),
            Event::ServerExited { boot, exit } => self.take_server_exit(boot, exit),
            Event::FinalBinlog { boot, position } => self.take_final_binlog(boot, position),
            Event::Facts { boot, facts } => self.take_facts(boot, facts),
            Event::StepDone { id, result } => self.take_step(id, result),
            Event::ProbeDone { probe, ok } => self.probes.take(probe, ok),
            Event::Stream(last_byte) => self.stream = last_byte,
            Event::FailsafeAsked {
                from,
                epoch,
                seq,
                release,
            } => self.answer_failsafe(from, epoch, seq, release),
            Event::FailsafeGranted { by, epoch, seq, ttl } => self.take_failsafe(by, epoch, seq, ttl),
            Event::Findings(findings) => self.findings = findings,
            Event::Alike(alike) => self.alike = alike,
            Event::Terminate => self.take_terminate(),
            Event::Tick => {}
        }
    }

    /// The one next thing towards what the order says.
    fn advance(&mut self) {
        if self.stopping_now() {
            self.kill();
            return;
        }
        let Some(order) = self.order.clone() else {
            self.boot_when_due();
            return;
        };
        if self.durable.promised < order.epoch {
            self.persist(|durable| durable.promised = order.epoch);
            return;
        }
        match order.task {
            Task::Revoke => self.be_revoked(),
            Task::Follow { source, .. } => self.be_replica(order.epoch, source),
            Task::Freeze { limit } => self.be_frozen(limit),
            Task::Promote {
                operation, required, ..
            } => self.be_primary(order.epoch, operation, &required),
            Task::Serve { .. } => self.be_open(order.epoch),
        }
    }

    /// When [`Event::Tick`] is needed next, if nothing else happens before.
    #[must_use]
    pub fn wake(&self) -> Moment {
        let report = self.reports.due(&self.settings);
        [
            Some(self.retry_at),
            self.boot_deadline(),
            self.task_deadline(),
            self.stop_by,
            self.lease.until(),
            self.asker.until(),
            self.asker.due(),
            self.grantor.until(),
            self.probes.due(&self.settings),
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > self.now)
        .fold(report, Moment::min)
    }

    /// How often the server should be observed.
    #[must_use]
    pub fn observe_every(&self) -> Duration {
        let calm = self.step.is_none() && !matches!(self.role(), Some(Role::Primary(_)));
        Duration::from_millis(if calm { 250 } else { 100 })
    }

    /// Whose decisions these are.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the machine remembers on disk, as far as it is there.
    #[must_use]
    pub const fn durable(&self) -> &Durable {
        &self.durable
    }
}
