//! The agreement between supervisors: a replicated log, and the [model](quorate_model)'s state over it. The only crate
//! that names openraft.
//!
//! Three supervisors keep one log. What the leader proposes is committed once a majority has it on disk, and then
//! applied everywhere in the same order. Everything irreversible goes through here; everything else is computed from it.
//!
//! ```text
//!   Node ── propose ──► openraft ──► log (redb, one writer thread)           one file, verified whole at start
//!    │                     │  └────► machine (State in memory, snapshot file) ──► watch_state
//!    │                     └───────► net (HTTP/2, mutual TLS) ◄──► peers
//!    └── formation: by agreement of all peers, or by joining under a new id
//! ```
//!
//! What the rest of Quorate may rely on:
//!
//! - An acknowledged vote or entry survives any crash; a damaged log is refused with its position, never guessed.
//! - An id is never used with a second disk. A supervisor that lost its disk rejoins under a new id; its name stays.
//! - Being leader is no right to act: check [`Node::quorum_acked_age`] before each external action, and let the target
//!   check the token, which is the log index that [`Node::propose`] returns.
//! - A failed proposal may be committed all the same ([`ProposeError::Unknown`]); commands carry idempotency keys.
//!
//! Start with [`Node`].

mod causes;
mod config;
mod formation;
mod fsio;
mod identity;
mod log;
mod machine;
mod net;
mod node;
mod types;

pub use config::{APPEND_BYTES_MAX, COMMAND_BYTES_MAX, Config, ConfigError, Profile, SNAPSHOT_BYTES_MAX, VOTERS_MAX};
pub use formation::Formation;
pub use identity::{Identity, IdentityError};
pub use log::{LogError, LogReader, LogStore, Position, RecordError};
pub use machine::{Applied, MachineHost, SnapshotBody, SnapshotBuilder, SnapshotError};
pub use net::{ErrorCode, Tls, WireError};
pub use node::{Leadership, MemberError, Node, NodeMetrics, ProposeError, ReadError, Role, StartError};
pub use types::{COMMAND_VERSION, Member, Outcome, Proposal, RaftId, TypeConfig};
