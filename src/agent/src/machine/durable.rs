//! What an agent must remember across its own death.

use quorate_model::Epoch;
use serde::{Deserialize, Serialize};

/// The agent's memory, on disk and synced before anything that relies on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Durable {
    /// Highest epoch promised: nothing of a lower one is carried out any more (invariant I2).
    pub promised: Epoch,
    /// Number of the last start of the server.
    pub boot: u64,
    /// Highest epoch under which this server was made primary. Not again after a restart of the server:
    /// it may have lost rows of that epoch that others hold (invariants I14, I15).
    pub led: Epoch,
    /// A failsafe lease was granted under this epoch and may not have ended: after a restart, no revocation is
    /// confirmed until it must have.
    pub failsafe: Option<Epoch>,
}
