//! The route snapshot that connections read, and what may be dialled under it.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::{Endpoint, Epoch, Moment, RouteTable};
use tokio::sync::watch;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The primary only.
    Write,
    /// A replica, or the primary.
    Read,
}

/// An immutable snapshot; replaced as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Route {
    table: Option<Arc<RouteTable>>,
    /// Since when the question "is a primary open?" has had its present answer in this epoch.
    since: Moment,
}

/// The side that replaces the snapshot.
#[derive(Debug)]
pub(crate) struct Routes(watch::Sender<Route>);

impl Routes {
    /// Starts without a table.
    pub(crate) fn new(now: Moment) -> Self {
        Self(watch::Sender::new(Route {
            table: None,
            since: now,
        }))
    }

    /// Replaces the snapshot and wakes everyone who waits for it.
    pub(crate) fn replace(&self, table: RouteTable, now: Moment) {
        self.0.send_modify(|route| {
            let same = route.epoch() == table.epoch && route.is_open() == table.writable.is_some();
            if !same || route.table.is_none() {
                route.since = now;
            }
            route.table = Some(Arc::new(table));
        });
    }

    /// For readers.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Route> {
        self.0.subscribe()
    }
}

impl Route {
    /// The table's epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        self.table.as_ref().map_or(Epoch::ZERO, |table| table.epoch)
    }

    /// The table, if one was ever received.
    pub(crate) const fn table(&self) -> Option<&Arc<RouteTable>> {
        self.table.as_ref()
    }

    /// Whether a table was ever received.
    pub(crate) const fn is_known(&self) -> bool {
        self.table.is_some()
    }

    /// Whether a primary is open for writes.
    pub(crate) fn is_open(&self) -> bool {
        self.writable().is_some()
    }

    /// The primary, if its epoch is open.
    pub(crate) fn writable(&self) -> Option<&Endpoint> {
        self.table.as_ref().and_then(|table| table.writable.as_ref())
    }

    /// Whom writers dial: the primary, or who is elected and lets them wait at its door until the epoch is open.
    pub(crate) fn leader(&self) -> Option<&Endpoint> {
        let elected = || self.table.as_ref().and_then(|table| table.elected.as_ref());
        self.writable().or_else(elected)
    }

    /// Replicas that may be read.
    pub(crate) fn readable(&self) -> &[Endpoint] {
        self.table.as_ref().map_or(&[], |table| &table.readable)
    }

    /// For people: why nobody can be let in, as of `now`.
    pub(crate) fn why_closed(&self, now: Moment) -> String {
        let since = seconds(now.since(self.since));
        match &self.table {
            None => format!("no supervisor has sent a route table yet ({since} since start)"),
            Some(table) => format!("no primary is open (epoch {} since {since})", table.epoch),
        }
    }
}

/// A duration in seconds with one decimal, for people.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
