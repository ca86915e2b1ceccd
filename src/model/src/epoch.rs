//! The number of a primary term.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A primary term. Only grows; every order, permit, lease and tunnel carries one, and every target refuses an
/// epoch lower than the highest that it has promised (invariant I2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Sequence numbers kept for each epoch: the digits before the last twelve name it.
pub(crate) const SEQ_STRIDE: u64 = 1_000_000_000_000;

impl Epoch {
    /// Before the first primary was elected.
    pub const ZERO: Self = Self(0);

    /// The epoch that follows; saturates, since 2^64 terms cannot be reached.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The lowest sequence number of a transaction of this epoch. A server that is elected again after its unacknowledged tail was
    /// cut off would otherwise give the same GTIDs to other transactions, while another node may still hold the first ones.
    #[must_use]
    pub const fn first_seq(self) -> u64 {
        self.0.saturating_mul(SEQ_STRIDE).saturating_add(1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
