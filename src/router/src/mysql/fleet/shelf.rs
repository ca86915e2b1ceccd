//! One server's places, idle connections, dials and waiters: the pool's bookkeeping.
//!
//! Invariant after each change, with the lock held: if somebody waits, every place is taken or the window of dials is full, and
//! nothing is idle that fits one of the first [`LOOKED_AT`] who wait.
//! Connections are dropped and waiters told after the lock is released, since both may come back here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_model::{Epoch, Moment};
use tokio::sync::{oneshot, watch};

use super::credits::{Dials, End};
use super::place::{Dial, Grant, Place};
use super::pool::{Key, NoPlace, Pooled};
use crate::config::Live;

/// Waiters that are compared with idle connections while no dial may begin, so that a queue of thousands does not cost a look
/// at each of them for every connection that is given back.
const LOOKED_AT: usize = 64;

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
    dials: Dials,
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

/// A grant now or later.
#[derive(Debug)]
pub(super) enum Waiting<K: Key, B: Pooled> {
    Granted(Grant<K, B>),
    Queued(oneshot::Receiver<Grant<K, B>>),
}

/// The bookkeeping, as tests see it.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) open: usize,
    pub(super) idle: usize,
    pub(super) queued: usize,
    /// Who waits although something idle fits.
    pub(super) fitting: usize,
    pub(super) may_dial: bool,
    pub(super) dialling: usize,
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
                dials: Dials::new(),
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

    /// Dials that may be under way at once.
    pub(super) fn dials(&self) -> u32 {
        self.lock().dials.width()
    }

    /// Looks at the bookkeeping.
    #[cfg(test)]
    pub(super) fn figures(&self) -> Figures {
        let state = self.lock();
        Figures {
            open: state.open,
            idle: state.idle.len(),
            queued: state.queue.len(),
            fitting: state
                .queue
                .iter()
                .take(LOOKED_AT)
                .filter(|waiter| state.idle.iter().any(|idle| idle.key == waiter.key))
                .count(),
            may_dial: state.dials.has_room(),
            dialling: state.dials.count() as usize,
        }
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

    pub(super) fn put(self: &Arc<Self>, key: K, connection: B, now: Moment) {
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

    /// A dial waits at the door.
    pub(super) fn dial_waits(self: &Arc<Self>) {
        let mut after = After::new();
        {
            let mut state = self.lock();
            state.dials.wait();
            self.settle(&mut state, &mut after);
        }
        after.finish();
    }

    /// A dial has ended, and `how`; without a connection its place is free.
    pub(super) fn dialled(self: &Arc<Self>, how: End, waited: bool, is_crowded: bool) {
        let mut after = After::new();
        {
            let mut state = self.lock();
            state.dials.end(how, waited);
            if how != End::Succeeded {
                self.left(&mut state, 1);
            }
            if is_crowded {
                // One at least, or nobody would ever try again.
                state.crowded = Some(state.open.max(1));
            }
            self.settle(&mut state, &mut after);
        }
        after.finish();
    }

    pub(super) fn free(self: &Arc<Self>) {
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
        let mut at = 0;
        while let Some(waiter) = state.queue.get(at) {
            if waiter.tell.is_closed() {
                state.queue.remove(at);
            } else if let Some(grant) = self.grant(state, &waiter.key.clone(), max, after) {
                if let Some(waiter) = state.queue.remove(at) {
                    after.served.push(Served {
                        tell: waiter.tell,
                        grant,
                    });
                }
            } else if state.idle.is_empty() || at >= LOOKED_AT {
                break;
            } else {
                // No dial may begin, and what is idle may fit somebody else.
                at += 1;
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
                return Some(Grant::Idle(Place::on(self.clone()), idle.connection));
            }
            self.left(state, 1);
            after.dropped.push(idle);
        }
        if state.open >= max && state.idle.is_empty() || !state.dials.begin(key.epoch()) {
            return None;
        }
        if state.open >= max {
            self.shed(state, after, |_| Some(0));
        }
        state.open += 1;
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        Some(Grant::Dial(Dial::on(self.clone())))
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

    fn lock(&self) -> MutexGuard<'_, State<K, B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
