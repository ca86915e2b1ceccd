//! The only place that reads clocks.

use quorate_model::{Moment, UnixMillis};
use rustix::time::{ClockId, clock_gettime};

/// Reads this machine's clocks. Deadlines use `CLOCK_BOOTTIME`, which counts suspend; wall time is for audit only.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Now, for deadlines.
    #[must_use]
    pub fn now(self) -> Moment {
        let time = clock_gettime(ClockId::Boottime);
        Moment::from_micros(parts(time.tv_sec, 1_000_000) + parts(time.tv_nsec, 1) / 1000)
    }

    /// Now, for people.
    #[must_use]
    pub fn unix(self) -> UnixMillis {
        let time = clock_gettime(ClockId::Realtime);
        UnixMillis(parts(time.tv_sec, 1000) + parts(time.tv_nsec, 1) / 1_000_000)
    }
}

fn parts(value: i64, scale: u64) -> u64 {
    u64::try_from(value).unwrap_or_default().saturating_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let first = Clock.now();
        assert!(Clock.now() >= first && first > Moment::ZERO);
        assert!(Clock.unix().0 > 1_700_000_000_000);
    }
}
