//! New connections that wait for a primary instead of failing: so many, so long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The waiting room.
#[derive(Debug)]
pub(crate) struct Hold {
    room: Arc<Semaphore>,
    max: usize,
    wait: Duration,
}

/// A place in the waiting room, given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    _place: OwnedSemaphorePermit,
    since: Instant,
    wait: Duration,
}

impl Hold {
    pub(crate) fn new(max: usize, wait: Duration) -> Self {
        Self {
            room: Arc::new(Semaphore::new(max)),
            max,
            wait,
        }
    }

    /// Takes a place; none if all are taken.
    pub(crate) fn enter(&self) -> Option<Ticket> {
        let place = self.room.clone().try_acquire_owned().ok()?;
        Some(Ticket {
            _place: place,
            since: Instant::now(),
            wait: self.wait,
        })
    }

    /// Places taken.
    pub(crate) fn held(&self) -> u64 {
        let held = self.max.saturating_sub(self.room.available_permits());
        u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// Places there are.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }
}

impl Ticket {
    /// Resolves when the wait has been long enough to say so.
    pub(crate) async fn expired(&self) {
        tokio::time::sleep_until(self.since + self.wait).await;
    }

    /// The wait so far.
    pub(crate) fn waited(&self) -> Duration {
        self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_bounded_and_places_come_back() {
        let hold = Hold::new(1, Duration::ZERO);
        let ticket = hold.enter();
        assert!(ticket.is_some() && hold.enter().is_none());
        assert_eq!(hold.held(), 1);
        drop(ticket);
        assert!(hold.enter().is_some());
    }
}
