//! Connections to servers that no session needs at the moment, and the right to open more of them.
//!
//! A connection goes with a [`Place`] of its server, in a session's hands and on the shelf alike; there are `max_backends`
//! places. Who needs a connection gets, in this order: an idle one that fits; a free place to dial; the place of an idle
//! one that does not fit, which is closed; or it waits, first come first served, until a session gives one back. Who may not
//! dial yet because too many do (see [`credits`](super::credits)) waits in the same queue: after a failover the first
//! connections serve everybody in turn while the others are still dialled.
//! While somebody waits, [`Place::is_wanted`] tells the sessions that have one to give it back after each statement.
//!
//! No connection outlives its epoch here: [`Pool::keep`] drops all of an epoch when it is cut, and none is taken in later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_model::{Epoch, NodeId};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) use super::place::{Grant, Place};
use super::shelf::{Counts, Shelf, Waiting};
use crate::config::Live;
use crate::core::fleet_metrics::{Granted, NotGranted};
use crate::core::metrics::Metrics;

/// How often idle connections are looked through for dead and old ones.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What decides whether a connection fits a session.
pub(crate) trait Key: Eq + Clone + Send + Sync + 'static {
    /// Whose connection.
    fn node(&self) -> &NodeId;
    /// Under which epoch.
    fn epoch(&self) -> Epoch;
}

/// A connection that can lie idle.
pub(crate) trait Pooled: Send + 'static {
    /// Whether nothing was heard from the server since the last answer. Whatever is heard is an end or an error.
    fn is_quiet(&self) -> bool;
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Pool<K: Key, B: Pooled> {
    config: Live,
    /// Epochs below this one have ended.
    floor: watch::Receiver<Epoch>,
    shelves: Mutex<BTreeMap<NodeId, Arc<Shelf<K, B>>>>,
    counts: Arc<Counts>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// Why there is no connection to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NoPlace {
    /// `waiters_max`.
    #[error("{0} sessions wait for a connection already (`pool.waiters_max`)")]
    Full(usize),
    /// `wait_ms`.
    #[error("no connection became free within {} ms (`pool.wait_ms`)", .0.as_millis())]
    TooLong(Duration),
    /// The epoch ended in the meantime.
    #[error("epoch {0} has ended")]
    Ended(Epoch),
}

impl<K: Key, B: Pooled> Pool<K, B> {
    /// Empty. `floor` is [`Connections::floor`](crate::core::connections::Connections::floor).
    pub(crate) fn new(config: Live, floor: watch::Receiver<Epoch>, metrics: Arc<Metrics>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            config,
            floor,
            shelves: Mutex::default(),
            counts: Arc::default(),
            metrics,
            clock,
        })
    }

    /// An idle connection that fits or the right to open one, waiting for it if need be.
    ///
    /// # Errors
    /// See [`NoPlace`].
    pub(crate) async fn take(&self, key: &K) -> Result<Grant<K, B>, NoPlace> {
        let granted = self.wait_for(key).await;
        match &granted {
            Ok(Grant::Idle(..)) => self.metrics.fleet.granted(Granted::Idle),
            Ok(Grant::Dial(_)) => self.metrics.fleet.granted(Granted::Dial),
            Err(NoPlace::Full(_)) => self.metrics.fleet.not_granted(NotGranted::Full),
            Err(NoPlace::TooLong(_)) => self.metrics.fleet.not_granted(NotGranted::TooLong),
            Err(NoPlace::Ended(_)) => self.metrics.fleet.not_granted(NotGranted::Ended),
        }
        granted
    }

    async fn wait_for(&self, key: &K) -> Result<Grant<K, B>, NoPlace> {
        let shelf = self.shelf(key.node());
        let mut floor = self.floor.clone();
        let granted = match shelf.take(key)? {
            Waiting::Granted(grant) => return Ok(grant),
            Waiting::Queued(granted) => granted,
        };
        let wait = self.config.load().pool.wait();
        tokio::select! {
            granted = timeout(wait, granted) => match granted {
                Ok(Ok(grant)) => Ok(grant),
                Ok(Err(_)) | Err(_) => Err(NoPlace::TooLong(wait)),
            },
            // The sender lives as long as the router.
            _ = floor.wait_for(|floor| key.epoch() < *floor) => Err(NoPlace::Ended(key.epoch())),
        }
    }

    /// Gives a connection back for others. It must be at rest, in no transaction, and free of the session's state as far
    /// as `key` does not tell.
    pub(crate) fn put(&self, place: Place<K, B>, key: K, connection: B) {
        place.put(key, connection, self.clock.now());
    }

    /// Dials of a server that may be under way at once.
    pub(crate) fn dials(&self, node: &NodeId) -> u32 {
        self.shelf(node).dials()
    }

    /// Idle, open and waited for, over all servers.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Drops what an ended epoch leaves, what is dead and what is too old, until `stop`; then everything.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut floor = self.floor.clone();
        floor.mark_changed();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = floor.changed() => {
                    self.cut(*floor.borrow_and_update());
                }
                () = tokio::time::sleep(SWEEP_EVERY) => {
                    let (now, keep) = (self.clock.now(), self.config.load().pool.keep());
                    self.sweep(|_, connection, since| now.since(since) < keep && connection.is_quiet());
                    self.metrics.fleet.backends(self.counts.read());
                }
            }
        }
        self.sweep(|_, _, _| false);
    }

    /// Drops every idle connection of an epoch below `floor`.
    fn cut(&self, floor: Epoch) {
        self.sweep(|key, _, _| key.epoch() >= floor);
    }

    /// Drops idle connections that are not to be kept, and forgets servers without any.
    fn sweep(&self, keep: impl Fn(&K, &B, quorate_model::Moment) -> bool) {
        let shelves: Vec<_> = self.lock().values().cloned().collect();
        for shelf in &shelves {
            shelf.sweep(&keep);
        }
        // One reference is the map's and one is ours; a third is a place or a session that is taking one.
        let mut map = self.lock();
        drop(shelves);
        map.retain(|_, shelf| Arc::strong_count(shelf) > 1 || !shelf.is_empty());
    }

    fn shelf(&self, node: &NodeId) -> Arc<Shelf<K, B>> {
        let mut map = self.lock();
        if let Some(shelf) = map.get(node) {
            return shelf.clone();
        }
        let shelf = Arc::new(Shelf::new(self.config.clone(), self.floor.clone(), self.counts.clone()));
        map.insert(node.clone(), shelf.clone());
        shelf
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Shelf<K, B>>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "pool_test.rs"]
mod tests;
