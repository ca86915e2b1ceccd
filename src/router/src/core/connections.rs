//! Which connections live under which epoch, and how an epoch's connections are ended together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_model::Epoch;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Every connection to a door, by epoch. A seat is taken *before* a door is dialled, so that none is missed by a cut
/// that comes in between.
#[derive(Debug)]
pub(crate) struct Connections {
    inner: Mutex<Inner>,
    drained: watch::Sender<Epoch>,
    floor: watch::Sender<Epoch>,
}

#[derive(Debug, Default)]
struct Inner {
    floor: Epoch,
    terms: BTreeMap<Epoch, Term>,
}

#[derive(Debug, Default)]
struct Term {
    seats: u64,
    end: CancellationToken,
}

/// A connection's place under its epoch; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    epoch: Epoch,
    end: CancellationToken,
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            drained: watch::Sender::new(Epoch::ZERO),
            floor: watch::Sender::new(Epoch::ZERO),
        })
    }

    /// Takes a seat; none if the epoch has ended.
    pub(crate) fn enter(self: &Arc<Self>, epoch: Epoch) -> Option<Seat> {
        let mut inner = self.lock();
        if epoch < inner.floor {
            return None;
        }
        let term = inner.terms.entry(epoch).or_default();
        term.seats = term.seats.saturating_add(1);
        Some(Seat {
            connections: self.clone(),
            epoch,
            end: term.end.clone(),
        })
    }

    /// Ends every epoch below `below` for good. Says how many connections that ends.
    pub(crate) fn cut(&self, below: Epoch) -> u64 {
        let mut inner = self.lock();
        inner.floor = inner.floor.max(below);
        let floor = inner.floor;
        self.floor.send_replace(floor);
        let mut seats = 0_u64;
        for term in inner.terms.range(..floor).map(|(_, term)| term) {
            seats = seats.saturating_add(term.seats);
            term.end.cancel();
        }
        self.settle(&inner);
        seats
    }

    /// The highest epoch below which no seat is taken any more.
    pub(crate) fn drained(&self) -> watch::Receiver<Epoch> {
        self.drained.subscribe()
    }

    /// The lowest epoch that has not ended; changes with every cut, before its connections are gone.
    pub(crate) fn floor(&self) -> watch::Receiver<Epoch> {
        self.floor.subscribe()
    }

    /// Seats taken.
    pub(crate) fn count(&self) -> u64 {
        self.lock().terms.values().map(|term| term.seats).sum()
    }

    fn leave(&self, epoch: Epoch) {
        let mut inner = self.lock();
        if let Some(term) = inner.terms.get_mut(&epoch) {
            term.seats = term.seats.saturating_sub(1);
            if term.seats == 0 {
                inner.terms.remove(&epoch);
            }
        }
        self.settle(&inner);
    }

    fn settle(&self, inner: &Inner) {
        if inner.terms.range(..inner.floor).next().is_none() {
            self.drained.send_if_modified(|drained| {
                let risen = *drained < inner.floor;
                *drained = (*drained).max(inner.floor);
                risen
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Resolves when the epoch has ended: then drop everything that was opened under it, and the seat last.
    pub(crate) async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Whether the epoch has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_cancelled()
    }

    /// As [`Seat::ended`], to be kept and polled again and again.
    pub(crate) fn ended_owned(&self) -> WaitForCancellationFutureOwned {
        self.end.clone().cancelled_owned()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.leave(self.epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_epoch_is_drained_when_its_last_seat_is_given_back() {
        let connections = Connections::new();
        let drained = connections.drained();
        let old = connections.enter(Epoch(1)).unwrap();
        let older = connections.enter(Epoch(0)).unwrap();
        let new = connections.enter(Epoch(2)).unwrap();
        assert_eq!(connections.cut(Epoch(2)), 2);
        old.ended().await;
        older.ended().await;
        assert!(!new.end.is_cancelled());
        assert!(connections.enter(Epoch(1)).is_none());
        drop(old);
        assert_eq!(*drained.borrow(), Epoch::ZERO);
        drop(older);
        assert_eq!(*drained.borrow(), Epoch(2));
        assert_eq!(connections.count(), 1);
    }

    #[test]
    fn nothing_to_cut_is_drained_at_once() {
        let connections = Connections::new();
        connections.cut(Epoch(5));
        assert_eq!(*connections.drained().borrow(), Epoch(5));
        connections.cut(Epoch(3));
        assert_eq!(*connections.drained().borrow(), Epoch(5));
        assert!(connections.enter(Epoch(5)).is_some());
    }
}
