//! Pauses between attempts.

use std::time::Duration;

use rand::Rng as _;

/// First pause.
const FIRST: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(1);

/// Doubling pauses with full jitter over their upper half, so that peers that lost each other at once do not come back at once.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = pause.saturating_mul(2).min(LONGEST);
        pause.mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// The last attempt succeeded.
    pub(super) const fn reset(&mut self) {
        self.0 = FIRST;
    }
}
