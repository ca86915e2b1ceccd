//! The agent's decisions: event and time in, effects out. No IO, no clock, no randomness.
//!
//! The machine is level-triggered: every event changes what is known, then [`Machine::handle`] compares what the node is
//! with what the last accepted order says that it shall be, and emits the one next thing to do. So an order
//! given twice, a lost report or a restart in between costs time only.
//!
//! The rules (`I..` are the project's invariants):
//!
//! - `orders.rs`: an epoch below the promise, or an index below the highest seen in the epoch, is refused; the promise is on
//!   disk before anything is done about an order (I2, I16).
//! - `advance.rs`: what to do next for each task. A server that was primary in this boot is never demoted by SQL: it is
//!   killed and booted behind the gate (I13).
//! - `boot.rs`: start, salvage, retry (I11, I12).
//! - `promote.rs`: drain, arm, epoch row, ready; freeze and thaw (I14, I15).
//! - `lease.rs`, `failsafe.rs`: when clients may be served (I9, I10).
//! - `door.rs`: who is admitted and whose acknowledgements pass (I3, I8).
//! - `report.rs`: what is said about all this.

mod durable;
mod effect;
mod event;
mod settings;

use quorate_model::{Incarnation, NodeId};

pub use durable::Durable;
pub use effect::{Door, Effect, Probe, Step, Target};
pub use event::{Event, StepResult};
pub use settings::Settings;

/// Who the machine speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// Its data directory.
    pub incarnation: Incarnation,
    /// The `server_id` it writes under.
    pub server_id: u32,
}
