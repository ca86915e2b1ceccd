//! How often an agent is usually heard of, and so how long a silence is too long.

use std::collections::VecDeque;
use std::time::Duration;

use quorate_model::{Moment, Policy};

/// Intervals remembered. At five reports a second this looks back over thirteen seconds.
const WINDOW: usize = 64;
/// Standard deviations above the mean. A normal distribution passes six once in a thousand million (phi 9 in the terms of
/// the accrual detector of Hayashibara et al., 2004).
const DEVIATIONS: u64 = 6;

/// One agent's reporting rhythm.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    last: Option<Moment>,
    intervals: VecDeque<u64>,
}

impl Rhythm {
    /// A report arrived. A gap beyond the cap is an outage, not a rhythm, and is not learned from.
    pub(super) fn beat(&mut self, now: Moment, policy: &Policy) {
        if let Some(last) = self.last {
            let gap = now.since(last);
            if gap <= policy.silence_cap {
                if self.intervals.len() == WINDOW {
                    self.intervals.pop_front();
                }
                self.intervals
                    .push_back(u64::try_from(gap.as_micros()).unwrap_or(u64::MAX));
            }
        }
        self.last = Some(now);
    }

    /// The link ended: the time until the next report says nothing.
    pub(super) const fn interrupt(&mut self) {
        self.last = None;
    }

    /// How long a silence is too long, within the policy's floor and cap.
    pub(super) fn threshold(&self, policy: &Policy) -> Duration {
        let count = u64::try_from(self.intervals.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return policy.silence_cap;
        }
        let mean = self.intervals.iter().sum::<u64>() / count;
        let variance = self
            .intervals
            .iter()
            .map(|&gap| gap.abs_diff(mean).saturating_pow(2))
            .sum::<u64>()
            / count;
        let micros = mean.saturating_add(DEVIATIONS.saturating_mul(variance.isqrt()));
        Duration::from_micros(micros)
            .max(policy.silence_floor)
            .min(policy.silence_cap.max(policy.silence_floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(gaps_ms: &[u64]) -> Duration {
        let policy = Policy::default();
        let mut rhythm = Rhythm::default();
        let mut now = Moment::from_micros(1);
        rhythm.beat(now, &policy);
        for gap in gaps_ms {
            now = now.after(Duration::from_millis(*gap));
            rhythm.beat(now, &policy);
        }
        rhythm.threshold(&policy)
    }

    #[test]
    fn a_steady_agent_is_missed_at_the_floor_and_an_unsteady_one_later() {
        let policy = Policy::default();
        assert_eq!(after(&[]), policy.silence_cap, "no rhythm known yet");
        assert_eq!(after(&[100; 64]), policy.silence_floor);
        let unsteady = after(&[100, 100, 100, 700].repeat(16));
        assert!(
            unsteady > Duration::from_millis(1500) && unsteady <= policy.silence_cap,
            "{unsteady:?}"
        );
    }

    #[test]
    fn the_threshold_follows_the_rhythm_both_ways_and_forgets() {
        let mut gaps = [100, 100, 100, 700].repeat(16);
        gaps.extend([100; 64]);
        assert_eq!(after(&gaps), Policy::default().silence_floor);
    }

    #[test]
    fn an_outage_is_not_a_rhythm() {
        let mut gaps = [100; 32].to_vec();
        gaps.push(30_000);
        gaps.extend([100; 8]);
        assert_eq!(after(&gaps), Policy::default().silence_floor);
    }
}
