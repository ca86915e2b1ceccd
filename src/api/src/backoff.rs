//! Pauses between attempts at a link that is to be kept.

use std::time::Duration;

use rand::Rng as _;

/// First pause.
const FIRST: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(1);
/// A link that was up for so long was a good one, and the next attempt comes soon. It is more than the longest pause: a
/// supervisor keeps only the newer link of a peer, so two processes under one id end each other's links at every attempt,
/// and would do so a hundred times a second if each of those counted as a success.
const STEADY: Duration = Duration::from_secs(2);

/// Doubling pauses with jitter over their upper half, so that peers that lost each other at once do not come back at once.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Backoff {
    /// Before the first attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self(FIRST)
    }

    /// The pause after an attempt; `lived` is how long the link was up, if it came about.
    pub fn after(&mut self, lived: Option<Duration>) -> Duration {
        self.longest_after(lived).mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// Whether a link that came about ended so soon that something ends it on purpose.
    #[must_use]
    pub fn is_short(lived: Duration) -> bool {
        lived < STEADY
    }

    fn longest_after(&mut self, lived: Option<Duration>) -> Duration {
        if lived.is_some_and(|lived| !Self::is_short(lived)) {
            self.0 = FIRST;
        }
        let pause = self.0;
        self.0 = pause.saturating_mul(2).min(LONGEST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_begin_anew_after_a_good_link() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..7).map(|_| backoff.longest_after(None).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.longest_after(Some(STEADY)), FIRST);
    }

    #[test]
    fn links_that_end_at_once_are_no_success() {
        let mut backoff = Backoff::new();
        let short = Some(Duration::from_millis(3));
        let total: Duration = (0..10).map(|_| backoff.longest_after(short)).sum();
        assert!(total > Duration::from_secs(5), "{total:?}");
        // However long the pauses get, a rival's next attempt does not make a link steady.
        assert!(Backoff::is_short(LONGEST));
    }

    #[test]
    fn a_pause_is_half_of_its_length_at_least() {
        let mut backoff = Backoff::new();
        for _ in 0..100 {
            let pause = backoff.after(Some(STEADY));
            assert!((FIRST / 2..FIRST).contains(&pause), "{pause:?}");
        }
    }
}
