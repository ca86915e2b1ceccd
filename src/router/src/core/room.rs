//! So many at a time, where nobody waits: who finds no room is told so. How many may change at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts who is in.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicUsize);

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Room>);

impl Room {
    /// A place, unless `max` are taken.
    pub(crate) fn enter(self: &Arc<Self>, max: usize) -> Option<Slot> {
        let more = |taken: usize| (taken < max).then(|| taken.saturating_add(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Slot(self.clone()))
    }

    /// Places taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_come_back_and_may_become_fewer() {
        let room = Arc::new(Room::default());
        let both = [room.enter(2), room.enter(2)];
        assert!(both.iter().all(Option::is_some) && room.enter(2).is_none());
        assert!(room.enter(3).is_some());
        drop(both);
        let _one = room.enter(1);
        assert!(room.enter(1).is_none());
        assert_eq!(room.taken(), 1);
    }
}
