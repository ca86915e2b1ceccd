//! The log on disk: one redb file, one writer thread, a mirror in memory for reads.
//!
//! ```text
//!   append / vote / truncate / purge ──► bounded queue ──► writer thread: drain, one durable commit, then all answers
//!          │                                                   │
//!          └──► Mirror (memory) ◄── readers                    └──► raft.redb   "<crc32> {json}" per record
//! ```
//!
//! Nothing is read back from the file while the node runs; it is verified whole when it is opened, and a file that
//! does not verify is refused with the position of the damage. Start with [`LogStore`].

mod error;
mod file;
mod locate;
mod mirror;
mod record;
mod store;
mod writer;

pub use error::{LogError, Position};
pub use record::RecordError;
pub use store::{LogReader, LogStore};
