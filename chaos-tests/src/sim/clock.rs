//! Clocks that drift: each machine reads its own, the world knows the true time.

use quorate_model::Moment;

/// Microseconds of true time since the run began.
pub(crate) type Micros = u64;

/// One machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    offset: u64,
    /// Parts per million fast (positive) or slow.
    drift: i64,
}

impl Clock {
    pub(crate) const fn new(offset: u64, drift: i64) -> Self {
        Self { offset, drift }
    }

    /// What it shows at a true time.
    pub(crate) fn local(&self, at: Micros) -> Moment {
        let skew = i64::try_from(at).unwrap_or(i64::MAX).saturating_mul(self.drift) / 1_000_000;
        Moment::from_micros(self.offset.saturating_add(at).saturating_add_signed(skew))
    }

    /// The first true time at which it shows at least `local`.
    pub(crate) fn real(&self, local: Moment) -> Micros {
        let shown = local.as_micros().saturating_sub(self.offset);
        let rate = u64::try_from(1_000_000 + self.drift).unwrap_or(1_000_000);
        let mut at = u64::try_from(u128::from(shown) * 1_000_000 / u128::from(rate)).unwrap_or(u64::MAX);
        while self.local(at) < local {
            at += 1;
        }
        at
    }
}
