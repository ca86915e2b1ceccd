//! One server's places, idle connections and waiters: the pool's bookkeeping.
//!
//! Invariant after each change, with the lock held: if somebody waits, nothing is idle and every place is taken.
//! Connections are dropped and waiters told after the lock is released, since both may come back here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_model::{Epoch, Moment};
use tokio::sync::{oneshot, watch};

use super::pool::{Key, NoPlace, Pooled};
use crate::config::Live;

/// Connections of all servers.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) idle: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
}

/// One server's.
#[derive(Debug)]
pub(crate) struct Shelf<K: Key, B: Pooled> {
    config: Live,
    floor: watch::Receiver<Epoch>,
    state: Mutex<State<K, B>>,
    /// Readable without the lock.
    waiting: AtomicUsize,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct State<K: Key, B: Pooled> {
    /// Places taken: by sessions and by idle connections.
    open: usize,
    /// The one that was given back last is at the end.
    idle: Vec<Idle<K, B>>,
    queue: VecDeque<Waiter<K, B>>,
    /// What the server bore when it last had too many connections, until the next sweep.
    crowded: Option<usize>,
}

#[derive(Debug)]
struct Idle<K, B> {
    key: K,
    connection: B,
    since: Moment,
}

#[derive(Debug)]
struct Waiter<K: Key, B: Pooled> {
    key: K,
    tell: oneshot::Sender<Grant<K, B>>,
}

/// The right to one connection to a server; free for others when dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Key, B: Pooled> {
    /// None once it went back with its connection.
    shelf: Option<Arc<Shelf<K, B>>>,
}

/// What a session that needs a connection gets.
#[derive(Debug)]
pub(crate) enum Grant<K: Key, B: Pooled> {
    /// A connection that fits.
    Idle(Place<K, B>, B),
    /// The right to open one.
    Dial(Place<K, B>),
}

/// A grant now or later.
#[derive(Debug)]
pub(super) enum Waiting<K: Key, B: Pooled> {
    Granted(Grant<K, B>),
    Queued(oneshot::Receiver<Grant<K, B>>),
}

/// What is done after the lock is released.
struct After<K: Key, B: Pooled> {
    served: Vec<Served<K, B>>,
    dropped: Vec<Idle<K, B>>,
}

/// A waiter and what it gets.
struct Served<K: Key, B: Pooled> {
    tell: oneshot::Sender<Grant<K, B>>,
    grant: Grant<K, B>,
}

impl Counts {
    /// `(idle, open, waiting)`.
    pub(crate) fn read(&self) -> (usize, usize, usize) {
        (
            self.idle.load(Ordering::Relaxed),
            self.open.load(Ordering::Relaxed),
            self.waiting.load(Ordering::Relaxed),
        )
    }
}

impl<K: Key, B: Pooled> Shelf<K, B> {
    pub(super) fn new(config: Live, floor: watch::Receiver<Epoch>, counts: Arc<Counts>) -> Self {
        Self {
            config,
            floor,
            state: Mutex::new(State {
                open: 0,
                idle: Vec::new(),
                queue: VecDeque::new(),
                crowded: None,
            }),
            waiting: AtomicUsize::new(0),
            counts,
        }
    }

    /// A grant, or a place in the queue.
    pub(super) fn take(self: &Arc<Self>, key: &K) -> Result<Waiting<K, B>, NoPlace> {
        let config = self.config.load();
        let settings = &config.pool;
        let (tell, mut told) = oneshot::channel();
        let mut after = After::new();
        {
            let mut state = self.lock();
            state.queue.retain(|waiter| !waiter.tell.is_closed());
            if key.epoch() < *self.floor.borrow() {
                return Err(NoPlace::Ended(key.epoch()));
            }
            if state.queue.len() >= settings.waiters_max {
                return Err(NoPlace::Full(state.queue.len()));
            }
            state.queue.push_back(Waiter { key: key.clone(), tell });
            self.settle(&mut state, &mut after);
        }
        after.finish();
        Ok(match told.try_recv() {
            Ok(grant) => Waiting::Granted(grant),
            Err(_) => Waiting::Queued(told),
        })
    }

    /// Sessions that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Neither places nor waiters.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.open == 0 && state.queue.is_empty()
    }

    /// Places taken, idle connections, waiters.
    #[cfg(test)]
    pub(super) fn figures(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (state.open, state.idle.len(), state.queue.len())
    }

    /// Drops idle connections that are not to be kept, and takes up changed settings.
    pub(super) fn sweep(self: &Arc<Self>, keep: impl Fn(&K, &B, Moment) -> bool) {
        let idle_max = self.config.load().pool.idle_max;
        let mut after = After::new();
        {
            let mut state = self.lock();
            state.queue.retain(|waiter| !waiter.tell.is_closed());
            let (mut kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut state.idle)
                .into_iter()
                .partition(|idle| keep(&idle.key, &idle.connection, idle.since));
            after.dropped.extend(dropped);
            let surplus = kept.len().saturating_sub(idle_max);
            after.dropped.extend(kept.drain(..surplus));
            state.idle = kept;
            state.crowded = None;
            self.left(&mut state, after.dropped.len());
            self.counts.idle.fetch_sub(after.dropped.len(), Ordering::Relaxed);
            self.settle(&mut state, &mut after);
        }
        after.finish();
    }

    fn put(self: &Arc<Self>, key: K, connection: B, now: Moment) {
        let config = self.config.load();
        let settings = &config.pool;
        let idle = Idle {
            key,
            connection,
            since: now,
        };
        let mut after = After::new();
        {
            let mut state = self.lock();
            let usable = idle.key.epoch() >= *self.floor.borrow() && idle.connection.is_quiet();
            state.idle.push(idle);
            self.counts.idle.fetch_add(1, Ordering::Relaxed);
            if !usable {
                self.shed(&mut state, &mut after, |idle| idle.len().checked_sub(1));
            }
            self.settle(&mut state, &mut after);
            while state.idle.len() > settings.idle_max
                || (self.counts.idle.load(Ordering::Relaxed) > settings.idle_total && !state.idle.is_empty())
            {
                self.shed(&mut state, &mut after, |_| Some(0));
            }
        }
        after.finish();
    }

    fn crowded(self: &Arc<Self>) {
        let mut after = After::new();
        {
            let mut state = self.lock();
            self.left(&mut state, 1);
            // One at least, or nobody would ever try again.
            state.crowded = Some(state.open.max(1));
            self.settle(&mut state, &mut after);
        }
        after.finish();
    }

    fn free(self: &Arc<Self>) {
        let mut after = After::new();
        {
            let mut state = self.lock();
            self.left(&mut state, 1);
            self.settle(&mut state, &mut after);
        }
        after.finish();
    }

    /// Serves waiters in their order as long as there is something to give.
    fn settle(self: &Arc<Self>, state: &mut State<K, B>, after: &mut After<K, B>) {
        let max = self.config.load().pool.max_backends;
        let max = state.crowded.map_or(max, |crowded| crowded.min(max));
        let oldest = |idle: &[Idle<K, B>]| (!idle.is_empty()).then_some(0);
        // The setting may have been lowered.
        while state.open > max && self.shed(state, after, oldest) {}
        while let Some(waiter) = state.queue.front() {
            if !waiter.tell.is_closed() {
                let Some(grant) = self.grant(state, &waiter.key.clone(), max, after) else {
                    break;
                };
                if let Some(waiter) = state.queue.pop_front() {
                    after.served.push(Served {
                        tell: waiter.tell,
                        grant,
                    });
                }
            } else {
                state.queue.pop_front();
            }
        }
        let waiting = state.queue.len();
        let before = self.waiting.swap(waiting, Ordering::Relaxed);
        self.counts.waiting.fetch_add(waiting, Ordering::Relaxed);
        self.counts.waiting.fetch_sub(before, Ordering::Relaxed);
    }

    fn grant(
        self: &Arc<Self>,
        state: &mut State<K, B>,
        key: &K,
        max: usize,
        after: &mut After<K, B>,
    ) -> Option<Grant<K, B>> {
        while let Some(at) = state.idle.iter().rposition(|idle| idle.key == *key) {
            let idle = state.idle.remove(at);
            self.counts.idle.fetch_sub(1, Ordering::Relaxed);
            if idle.connection.is_quiet() {
                return Some(Grant::Idle(self.place(), idle.connection));
            }
            self.left(state, 1);
            after.dropped.push(idle);
        }
        if state.open >= max && !self.shed(state, after, |idle| (!idle.is_empty()).then_some(0)) {
            return None;
        }
        state.open += 1;
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        Some(Grant::Dial(self.place()))
    }

    /// Closes an idle connection.
    fn shed(
        &self,
        state: &mut State<K, B>,
        after: &mut After<K, B>,
        which: impl FnOnce(&[Idle<K, B>]) -> Option<usize>,
    ) -> bool {
        let Some(at) = which(&state.idle) else {
            return false;
        };
        after.dropped.push(state.idle.remove(at));
        self.counts.idle.fetch_sub(1, Ordering::Relaxed);
        self.left(state, 1);
        true
    }

    fn left(&self, state: &mut State<K, B>, places: usize) {
        state.open = state.open.saturating_sub(places);
        self.counts.open.fetch_sub(places, Ordering::Relaxed);
    }

    fn place(self: &Arc<Self>) -> Place<K, B> {
        Place {
            shelf: Some(self.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K, B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, B: Pooled> Place<K, B> {
    /// Whether somebody waits for a connection to this server: give it back after the statement.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shelf.as_ref().is_some_and(|shelf| shelf.waiting() > 0)
    }

    /// The server refused the dial because it has too many connections, of other routers perhaps: for a moment there are no
    /// more places than connections.
    pub(crate) fn crowded(mut self) {
        if let Some(shelf) = self.shelf.take() {
            shelf.crowded();
        }
    }

    pub(super) fn put(mut self, key: K, connection: B, now: Moment) {
        if let Some(shelf) = self.shelf.take() {
            shelf.put(key, connection, now);
        }
    }
}

impl<K: Key, B: Pooled> Drop for Place<K, B> {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.take() {
            shelf.free();
        }
    }
}

impl<K: Key, B: Pooled> After<K, B> {
    const fn new() -> Self {
        Self {
            served: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Tells the waiters, and drops what is to be dropped. A waiter that has just gone leaves its grant to the next, by
    /// the way of every place that is dropped.
    fn finish(self) {
        for Served { tell, grant } in self.served {
            drop(tell.send(grant));
        }
        drop(self.dropped);
    }
}
