//! What clients do meanwhile.

mod set;

pub use set::{History, Outcome, SetWorkload, Write};
