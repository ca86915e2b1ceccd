//! New connections that wait for a primary instead of failing: so many, so long.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Live;
use crate::core::room::{Room, Slot};

/// The waiting room.
#[derive(Debug)]
pub(crate) struct Hold {
    room: Arc<Room>,
    config: Live,
}

/// A place in the waiting room, given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    _place: Slot,
    since: Instant,
    wait: Duration,
}

impl Hold {
    pub(crate) fn new(config: Live) -> Self {
        Self {
            room: Arc::default(),
            config,
        }
    }

    /// Takes a place; none if all are taken.
    pub(crate) fn enter(&self) -> Option<Ticket> {
        let config = self.config.load();
        let place = self.room.enter(config.limits.hold_max)?;
        Some(Ticket {
            _place: place,
            since: Instant::now(),
            wait: config.limits.hold_wait(),
        })
    }

    /// Places taken.
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.room.taken()).unwrap_or(u64::MAX)
    }

    /// Places there are.
    pub(crate) fn max(&self) -> usize {
        self.config.load().limits.hold_max
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
    use arc_swap::ArcSwap;

    use super::*;
    use crate::config::{Config, least};

    #[test]
    fn the_room_is_bounded_and_places_come_back() {
        let mut config: Config = serde_json::from_value(least()).unwrap();
        config.limits.hold_max = 1;
        let hold = Hold::new(Arc::new(ArcSwap::from_pointee(config)));
        let ticket = hold.enter();
        assert!(ticket.is_some() && hold.enter().is_none());
        assert_eq!(hold.held(), 1);
        drop(ticket);
        assert!(hold.enter().is_some());
    }
}
