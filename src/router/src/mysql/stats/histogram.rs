//! Durations in 104 buckets: four to each doubling, from a microsecond to a minute, within an eighth of the truth.

use std::time::Duration;

/// Buckets to each doubling, as a power of two.
const FINE_BITS: u32 = 2;
const FINE: u32 = 1 << FINE_BITS;
const BUCKETS: usize = 104;

/// How often each duration occurred. 440 bytes, none of them on the heap.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: [u32; BUCKETS],
    max: Duration,
    sum: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            max: Duration::ZERO,
            sum: Duration::ZERO,
        }
    }
}

/// The bucket of so many microseconds: below eight one each, above that the four leading bits decide.
fn bucket(micros: u64) -> usize {
    let micros = u32::try_from(micros).unwrap_or(u32::MAX);
    let bits = 32 - micros.leading_zeros();
    let shift = bits.saturating_sub(FINE_BITS + 1);
    let index = shift * FINE + (micros >> shift);
    (index as usize).min(BUCKETS - 1)
}

/// The middle of a bucket, in microseconds.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let fine = u64::from(FINE);
    if bucket < 2 * fine {
        return bucket;
    }
    let shift = bucket / fine - 1;
    let low = (bucket % fine + fine) << shift;
    low + (1 << shift) / 2
}

impl Histogram {
    /// Takes one duration.
    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count = count.saturating_add(1);
        }
        self.max = self.max.max(time);
        self.sum = self.sum.saturating_add(time);
    }

    /// Takes all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The duration that this share (0 to 1) of all did not exceed; zero of nothing.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let all: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let mut left = rank(all, share);
        for (bucket, count) in self.counts.iter().enumerate() {
            let count = u64::from(*count);
            if count >= left && count > 0 {
                // The last bucket has no middle: whatever is in there took at most the longest time.
                let time = if bucket == BUCKETS - 1 {
                    self.max
                } else {
                    Duration::from_micros(middle(bucket))
                };
                return time.min(self.max);
            }
            left -= count.min(left);
        }
        Duration::ZERO
    }

    /// The longest.
    pub(crate) const fn max(&self) -> Duration {
        self.max
    }

    /// All together.
    pub(crate) const fn sum(&self) -> Duration {
        self.sum
    }
}

/// Which of `all`, counted from the shortest as the first, has this share of all up to itself.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank off by one among billions is no error here"
)]
fn rank(all: u64, share: f64) -> u64 {
    ((all as f64 * share).ceil() as u64).clamp(1, all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_hold_their_middle() {
        let mut last = 0;
        for micros in 0..200_000 {
            let found = bucket(micros);
            assert!(found == last || found == last + 1, "{micros}");
            last = found;
        }
        for index in 0..BUCKETS {
            assert_eq!(bucket(middle(index)), index);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_an_eighth() {
        let mut histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, exact) in [(0.5, 5_000.0), (0.99, 9_900.0), (0.1, 1_000.0)] {
            let found = histogram.quantile(share).as_secs_f64() * 1e6;
            assert!((found / exact - 1.0).abs() < 0.13, "{share}: {found}");
        }
        assert_eq!(histogram.max(), Duration::from_millis(10));
        assert!(histogram.quantile(1.0) <= histogram.max());
    }

    #[test]
    fn nothing_takes_no_time_and_hours_are_their_own_maximum() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        histogram.record(Duration::from_secs(7200));
        assert_eq!(histogram.quantile(0.5), Duration::from_secs(7200));
    }

    #[test]
    fn merging_is_recording_both() {
        let (mut left, mut right, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
        for micros in 0..1000 {
            let half = if micros % 3 == 0 { &mut left } else { &mut right };
            half.record(Duration::from_micros(micros * 7));
            both.record(Duration::from_micros(micros * 7));
        }
        left.merge(&right);
        assert_eq!(left.counts, both.counts);
        assert_eq!((left.max, left.sum), (both.max, both.sum));
    }

    #[test]
    fn stays_small() {
        assert!(size_of::<Histogram>() <= 512);
    }
}
