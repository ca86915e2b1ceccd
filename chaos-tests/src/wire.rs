//! A MySQL client that hides nothing: every packet of a reply is kept as it came, so that two replies can be compared byte for byte.
//!
//! ```text
//!   session   log in, send commands, prepared statements   (what a test calls)
//!   reply     packets of one reply, and what they say
//!   field     values, columns, arguments
//!   packets   framing: lengths, sequence numbers, continuation
//! ```
//! Real clients keep to what their authors thought of; this one asks for cursors, bulk execution, skipped metadata and
//! statements that were never prepared. It blocks, as tests do.

mod field;
mod packets;
mod reply;
mod session;
mod words;

pub use field::{Arg, values};
pub use packets::PART_MAX;
pub use reply::{End, Reply, ServerError, Set};
pub use session::{Login, Prepared, Session};
pub use words::{caps, command};
