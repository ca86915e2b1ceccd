//! Whether this machine slept.
//!
//! Raft measures with a clock that stands still while the machine is suspended, so a quorum's word from before the sleep looks
//! younger than it is. Leases must not be counted from it.

use std::time::Duration;

use quorate_model::Moment;
use tokio::time::Instant;

/// The two clocks are read one after the other; a larger step between them is a sleep.
const STEP_MIN: Duration = Duration::from_millis(20);

/// Compares the clock that counts sleep with the one that does not.
#[derive(Debug)]
pub(crate) struct Wake {
    last: (Moment, Instant),
    since: Moment,
}

impl Wake {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            last: (now, Instant::now()),
            since: Moment::ZERO,
        }
    }

    /// For how long the machine has not slept, at least.
    pub(crate) fn awake_for(&mut self, now: Moment) -> Duration {
        self.awake_at(now, Instant::now())
    }

    fn awake_at(&mut self, now: Moment, instant: Instant) -> Duration {
        let (moment, before) = self.last;
        let slept = now
            .since(moment)
            .saturating_sub(instant.saturating_duration_since(before));
        if slept >= STEP_MIN {
            self.since = now;
        }
        self.last = (now, instant);
        now.since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_makes_older_words_void() {
        let mut wake = Wake::new(Moment::from_micros(1_000_000));
        let (moment, instant) = wake.last;
        let second = Duration::from_secs(1);
        assert!(wake.awake_at(moment.after(second), instant + second) > second);
        // Three seconds passed, two of them asleep.
        assert_eq!(
            wake.awake_at(moment.after(second * 4), instant + second * 2),
            Duration::ZERO
        );
        assert_eq!(wake.awake_at(moment.after(second * 5), instant + second * 3), second);
    }
}
