//! The figures that the project claims, measured on real servers.

mod door;
mod faults;
mod floor;
mod idle;
mod program;
mod report;
pub mod router;
mod supervisors;

pub use door::door_overhead;
pub use faults::{FaultRun, freezes, kills, switchovers};
pub use floor::by_hand;
pub use idle::idle_costs;
pub use program::{Program, say};
pub use report::{Figure, Report, Unit};
pub use supervisors::without_supervisors;
