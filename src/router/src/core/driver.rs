//! Runs the [`Machine`]: the only task that decides.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_model::{Epoch, RouteTable, RouterReport};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::core::connections::Connections;
use crate::core::hold::Hold;
use crate::core::machine::{Effect, Event, Load, Machine, REPORT_EVERY};
use crate::core::metrics::{Metrics, gauge_value};
use crate::core::route::Routes;
use crate::core::state_file::StateFile;

/// Pause after a failure to write the state file.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// The machine and everything that its effects act on.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) machine: Machine,
    pub(crate) clock: Clock,
    pub(crate) connections: Arc<Connections>,
    pub(crate) hold: Arc<Hold>,
    pub(crate) routes: Routes,
    pub(crate) metrics: Arc<Metrics>,
    /// To the links.
    pub(crate) reports: watch::Sender<Option<RouterReport>>,
    /// To the disk.
    pub(crate) to_disk: watch::Sender<Option<RouteTable>>,
}

/// What the driver listens to.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) tables: mpsc::Receiver<RouteTable>,
    pub(crate) drained: watch::Receiver<Epoch>,
    pub(crate) on_disk: watch::Receiver<Epoch>,
}

impl Driver {
    /// Takes up an earlier run's table, before anything is accepted.
    pub(crate) fn restore(&mut self, table: RouteTable) {
        self.handle(Event::Restored(table));
    }

    /// Takes up a table that came in another way than from a supervisor.
    pub(crate) fn follow(&mut self, table: RouteTable) {
        self.handle(Event::Table(table));
    }

    /// Runs until `stop`.
    pub(crate) async fn run(mut self, mut inputs: Inputs, stop: CancellationToken) {
        let mut tick = tokio::time::interval(REPORT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        inputs.drained.mark_changed();
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(table) = inputs.tables.recv() => Event::Table(table),
                Ok(()) = inputs.drained.changed() => {
                    Event::Drained { below: *inputs.drained.borrow_and_update() }
                }
                Ok(()) = inputs.on_disk.changed() => {
                    Event::Persisted { epoch: *inputs.on_disk.borrow_and_update() }
                }
                _ = tick.tick() => Event::Tick(self.load()),
            };
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        for effect in self.machine.handle(self.clock.now(), event) {
            match effect {
                Effect::Cut { below } => {
                    let cut = self.connections.cut(below);
                    self.metrics.cut.increment(cut);
                    tracing::info!(epoch = %below, connections = cut, "epoch begins; older connections are cut");
                }
                Effect::Use(table) => {
                    if let Some(primary) = &table.writable {
                        tracing::debug!(epoch = %table.epoch, primary = %primary.node, "primary is open");
                    }
                    self.metrics.epoch.set(gauge_value(table.epoch.0));
                    self.routes.replace(table, self.clock.now());
                }
                Effect::Persist(table) => {
                    self.to_disk.send_replace(Some(table));
                }
                Effect::Report(report) => {
                    self.metrics.confirmed.set(gauge_value(report.confirmed.0));
                    self.reports.send_replace(Some(report));
                }
            }
        }
    }

    fn load(&self) -> Load {
        let load = Load {
            connections: self.connections.count(),
            held: self.hold.held(),
        };
        self.metrics.connections.set(gauge_value(load.connections));
        self.metrics.held.set(gauge_value(load.held));
        self.metrics.upkeep();
        load
    }
}

/// Writes the latest table, again and again until it is on disk, and says which epoch is.
pub(crate) async fn write_tables(
    file: StateFile,
    mut tables: watch::Receiver<Option<RouteTable>>,
    on_disk: watch::Sender<Epoch>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = tables.changed() => if changed.is_err() { return },
        }
        let Some(table) = tables.borrow_and_update().clone() else {
            continue;
        };
        let (epoch, target) = (table.epoch, file.clone());
        let written = tokio::task::spawn_blocking(move || target.replace(&table)).await;
        if let Ok(Ok(())) = written {
            on_disk.send_replace(epoch);
            continue;
        }
        metrics.disk_failures.increment(1);
        let why = match written {
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(())) | Err(_) => "the writer was aborted".to_owned(),
        };
        tracing::error!(
            why,
            "route table cannot be put on disk; serving goes on, but epochs are not confirmed"
        );
        tables.mark_changed();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(DISK_PAUSE) => {}
        }
    }
}
