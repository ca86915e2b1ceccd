//! What clients were promised, against what is there.

mod gap;
mod loss;

pub use gap::write_gap;
pub use loss::{Loss, lost_writes, stored_ids};
