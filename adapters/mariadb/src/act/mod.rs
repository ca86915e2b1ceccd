//! The verbs, one file each. Each is absolute and idempotent, each has a limit, and none decides anything: *whether* to
//! attach, arm or open is the supervisors' business. What a verb does check is that it cannot destroy what it must not:
//! received transactions that are not applied yet, and the protection of commits.

mod arm;
mod attach;
mod drain;
mod epoch_row;
mod forget;
mod freeze;
mod open;
mod relay;
mod resume;
mod salvage;
mod stop;

pub use arm::arm;
pub use attach::{Backlog, Source, attach, repoint};
pub use drain::drain;
pub use epoch_row::{EpochRow, write_epoch_row};
pub use forget::forget_source;
pub use freeze::{Frozen, freeze};
pub use open::{Events, open_writes};
pub use resume::resume;
pub use salvage::{Salvage, salvage};
pub use stop::{Stopped, stop_receiving};

use std::time::Duration;

use quorate_model::GtidSet;

use crate::error::SqlError;
use crate::parse::LogError;

/// A verb could not be carried out. The server is left in a state from which the same verb can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A statement failed.
    #[error("the server did not carry out the order")]
    Sql(#[from] SqlError),
    /// A log file could not be read.
    #[error("the relay logs cannot be read")]
    Log(#[from] LogError),
    /// The receiving thread is still there.
    #[error("the receiving thread did not stop within {after:?}; fence the server by SIGKILL and read its relay logs")]
    StillReceiving {
        /// The limit given by the caller.
        after: Duration,
    },
    /// Going on would delete transactions that were received, perhaps acknowledged, and not applied.
    #[error("received up to {received} but applied only up to {applied}; drain or salvage first")]
    Unapplied {
        /// What the relay logs hold.
        received: GtidSet,
        /// What is applied.
        applied: GtidSet,
    },
    /// The applier cannot reach the position because it does not run.
    #[error("the applier is stopped before {until}: {why}")]
    ApplierStopped {
        /// The position to reach.
        until: GtidSet,
        /// The server's words, or that it was stopped by somebody.
        why: String,
    },
    /// The applier runs but has not reached the position.
    #[error("applied only up to {applied} within {after:?}, wanted {until}")]
    NotDrained {
        /// The position to reach.
        until: GtidSet,
        /// The position reached.
        applied: GtidSet,
        /// The limit given by the caller.
        after: Duration,
    },
    /// Semi-sync is not on, so a commit would be confirmed although nobody else holds it.
    #[error("semi-sync is not armed ({detail}); writes stay closed")]
    NotArmed {
        /// What was seen.
        detail: &'static str,
    },
    /// Commits could not be frozen; they go on as before.
    #[error("commits could not be frozen within {after:?}: one of them waits or a lock is held; nothing was changed")]
    NotFrozen {
        /// The limit given by the caller.
        after: Duration,
    },
    /// A salvage was asked for while replication runs.
    #[error("replication runs on this server, so nothing needs to be salvaged; stop both of its threads first")]
    StillReplicating,
}
