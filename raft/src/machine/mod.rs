//! The replicated state machine: the model's [`State`](quorate_model::State) in memory, snapshots on disk.
//!
//! ```text
//!   committed entries ──► MachineHost ──► State::apply ──► published as (index, Arc<State>) ──► answers to proposers
//!                             │
//!                             └─ now and then ─► SnapshotStore: one header line, one JSON body, SHA-256
//! ```

mod builder;
mod host;
mod snapshot;

pub use builder::SnapshotBuilder;
pub use host::{Applied, MachineHost};
pub(crate) use snapshot::SnapshotHeader;
pub use snapshot::{SnapshotBody, SnapshotError};
