//! What clients do meanwhile.

mod set;
mod storm;

pub use set::{History, Outcome, SetWorkload, Write};
pub use storm::{Calmed, Storm, each_once};
