//! What a router decides: event and time in, effects out.
//!
//! ```text
//!   supervisors ── Table ──► ┌─────────┐ ──► Cut{below}   close every connection of a lower epoch
//!   disk ───── Restored ───► │ Machine │ ──► Use(table)   hold or release, balance reads
//!   registry ── Drained ───► │         │ ──► Persist(table)
//!   disk ───── Persisted ──► └─────────┘ ──► Report       the confirmation, to every supervisor
//! ```
//!
//! A confirmation is a promise about the past *and* the future: no connection of a lower epoch is left, and none will
//! be opened, not even after a restart. So it waits for both, the last old connection and the disk. Serving under
//! the new epoch waits for neither.

use std::time::Duration;

use quorate_model::{ClusterId, Epoch, Moment, RouteTable, RouterId, RouterReport};

/// How often the report is repeated when nothing changes. Supervisors take silence of minutes for absence.
pub const REPORT_EVERY: Duration = Duration::from_millis(250);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The table that an earlier run left on disk. Only as the first event.
    Restored(RouteTable),
    /// A supervisor pushed a table. Any supervisor, in any order, repeated or late.
    Table(RouteTable),
    /// The table with this epoch, or a later one, is on disk and will survive a restart.
    Persisted {
        /// Its epoch.
        epoch: Epoch,
    },
    /// No connection of an epoch below this one is left, and none can be opened.
    Drained {
        /// As in [`Effect::Cut`].
        below: Epoch,
    },
    /// Time passed; comes at least every [`REPORT_EVERY`].
    Tick(Load),
}

/// How busy the router is; reported, never decided on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Client connections open.
    pub connections: u64,
    /// Client connections waiting for a primary.
    pub held: u64,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Close every connection of an epoch below this one, refuse to open another, then say [`Event::Drained`].
    Cut {
        /// The lowest epoch that may go on.
        below: Epoch,
    },
    /// Follow this table from now on: hold new connections if nothing is writable, release them if something is.
    Use(RouteTable),
    /// Put this table on disk, then say [`Event::Persisted`]. A later one replaces an earlier one not yet written.
    Persist(RouteTable),
    /// Tell every supervisor.
    Report(RouterReport),
}

/// The router's decision code.
#[derive(Debug, Clone)]
pub struct Machine {
    router: RouterId,
    cluster: ClusterId,
    table: Option<RouteTable>,
    persisted: Epoch,
    drained: Epoch,
    load: Load,
    reported: Option<(Moment, RouterReport)>,
}

impl Machine {
    /// A router that knows nothing yet.
    #[must_use]
    pub const fn new(router: RouterId, cluster: ClusterId) -> Self {
        Self {
            router,
            cluster,
            table: None,
            persisted: Epoch::ZERO,
            drained: Epoch::ZERO,
            load: Load {
                connections: 0,
                held: 0,
            },
            reported: None,
        }
    }

    /// Takes one event and says what to do, in this order.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        let mut effects = match event {
            Event::Restored(table) => self.restored(table),
            Event::Table(table) => self.follow(table),
            Event::Persisted { epoch } => {
                self.persisted = self.persisted.max(epoch);
                Vec::new()
            }
            Event::Drained { below } => {
                self.drained = self.drained.max(below);
                Vec::new()
            }
            Event::Tick(load) => {
                self.load = load;
                Vec::new()
            }
        };
        effects.extend(self.report(now));
        effects
    }

    /// The table in use.
    #[must_use]
    pub const fn table(&self) -> Option<&RouteTable> {
        self.table.as_ref()
    }

    /// Highest epoch seen; nothing below it is followed again.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.table.as_ref().map_or(Epoch::ZERO, |table| table.epoch)
    }

    /// What may be promised: no connection of a lower epoch now or ever.
    #[must_use]
    pub fn confirmed(&self) -> Epoch {
        self.persisted.min(self.drained)
    }

    /// The connections of the earlier run died with it, so its epoch is confirmed as it stands.
    fn restored(&mut self, table: RouteTable) -> Vec<Effect> {
        if self.table.is_some() || table.cluster != self.cluster {
            return Vec::new();
        }
        self.persisted = table.epoch;
        let below = table.epoch;
        self.table = Some(table.clone());
        vec![Effect::Cut { below }, Effect::Use(table)]
    }

    fn follow(&mut self, table: RouteTable) -> Vec<Effect> {
        let newer = self
            .table
            .as_ref()
            .is_none_or(|current| table.cmp_issue(current).is_gt());
        if !newer || table.cluster != self.cluster {
            return Vec::new();
        }
        let mut effects = Vec::with_capacity(4);
        if self.table.is_none() || table.epoch > self.epoch() {
            effects.push(Effect::Cut { below: table.epoch });
        }
        self.table = Some(table.clone());
        effects.push(Effect::Use(table.clone()));
        effects.push(Effect::Persist(table));
        effects
    }

    fn report(&mut self, now: Moment) -> Option<Effect> {
        let report = RouterReport {
            router: self.router.clone(),
            confirmed: self.confirmed(),
            index: self.table.as_ref().map_or(0, |table| table.index),
            connections: self.load.connections,
            held: self.load.held,
        };
        let due = self.reported.as_ref().is_none_or(|(at, last)| {
            (last.confirmed, last.index) != (report.confirmed, report.index) || now.since(*at) >= REPORT_EVERY
        });
        if !due {
            return None;
        }
        self.reported = Some((now, report.clone()));
        Some(Effect::Report(report))
    }
}

#[cfg(test)]
#[path = "machine_test.rs"]
mod tests;
