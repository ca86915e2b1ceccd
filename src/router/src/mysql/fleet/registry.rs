//! Every client session by its own id, for KILL and `SHOW QUORATE SESSIONS`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_model::Moment;

use super::card::Snapshot;
pub(crate) use super::card::{Backend, Kill, SessionCard, Side};

/// Shards, so that threads that open and close sessions seldom meet.
const SHARDS: usize = 16;

/// All sessions.
#[derive(Debug)]
pub(crate) struct Registry {
    next: AtomicU32,
    shards: [Mutex<BTreeMap<u32, Arc<SessionCard>>>; SHARDS],
}

/// A session's card; off the registry when dropped.
#[derive(Debug)]
pub(crate) struct Enrolled {
    registry: Arc<Registry>,
    card: Arc<SessionCard>,
}

impl Registry {
    /// `first` should differ between processes that run at the same time (an upgrade), so that ids seldom meet.
    pub(crate) fn new(first: u32) -> Arc<Self> {
        Arc::new(Self {
            next: AtomicU32::new(first),
            shards: std::array::from_fn(|_| Mutex::default()),
        })
    }

    /// Gives a new session its id, never 0 and never one in use.
    pub(crate) fn enroll(self: &Arc<Self>, listener: &'static str, address: SocketAddr, now: Moment) -> Enrolled {
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let mut shard = self.shard(id);
            if id == 0 || shard.contains_key(&id) {
                continue;
            }
            let card = Arc::new(SessionCard::new(id, listener, address, now));
            shard.insert(id, card.clone());
            return Enrolled {
                registry: self.clone(),
                card,
            };
        }
    }

    /// The card of a session.
    pub(crate) fn find(&self, id: u32) -> Option<Arc<SessionCard>> {
        self.shard(id).get(&id).cloned()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// All of them, by id.
    pub(crate) fn snapshot(&self) -> Vec<Snapshot> {
        let mut all: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>())
            .map(|card| card.snapshot())
            .collect();
        all.sort_by_key(|card| card.id);
        all
    }

    fn shard(&self, id: u32) -> MutexGuard<'_, BTreeMap<u32, Arc<SessionCard>>> {
        #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
        lock(&self.shards[id as usize % SHARDS])
    }
}

impl std::ops::Deref for Enrolled {
    type Target = Arc<SessionCard>;

    fn deref(&self) -> &Self::Target {
        &self.card
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.registry.shard(self.card.id).remove(&self.card.id);
    }
}

fn lock(shard: &Mutex<BTreeMap<u32, Arc<SessionCard>>>) -> MutexGuard<'_, BTreeMap<u32, Arc<SessionCard>>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "registry_test.rs"]
mod tests;
