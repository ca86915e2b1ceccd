//! openraft's type parameters, named once; nothing outside this crate sees them as generics.

use std::fmt;

use quorate_model::{Command, Reply};
use serde::{Deserialize, Serialize};

use crate::machine::MachineHost;

/// Version of the command encoding that this build writes.
pub const COMMAND_VERSION: u16 = 1;

/// Id of one log: a supervisor that lost its disk comes back under another.
pub type RaftId = u64;

openraft::declare_raft_types!(
    /// openraft's parameters for Quorate: standard leader ids, so that a term has one leader.
    pub TypeConfig:
        D = Proposal,
        R = Outcome,
        NodeId = RaftId,
        Node = Member,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Membership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, MachineHost>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;

/// A supervisor as the group knows it: a stable name for people and where to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The supervisor's name, for example `s1`.
    pub name: String,
    /// `host:port` of its Raft listener.
    pub raft_addr: String,
    /// Base URL or `host:port` of its REST API, handed to clients that must go to the leader.
    pub api_addr: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.raft_addr)
    }
}

/// What a log entry carries: a command behind its version.
///
/// It stays JSON until it is applied, so that a voter of an older build can store and pass on a command that it does
/// not understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Version of the command's encoding.
    pub v: u16,
    /// The command.
    pub command: serde_json::Value,
}

impl Proposal {
    /// Encodes a command.
    ///
    /// # Errors
    /// The command does not serialise; it was never proposed.
    pub fn new(command: &Command) -> Result<Self, serde_json::Error> {
        Ok(Self {
            v: COMMAND_VERSION,
            command: serde_json::to_value(command)?,
        })
    }

    /// Decodes the command, or says why this build cannot.
    pub(crate) fn decode(&self) -> Result<Command, String> {
        if self.v > COMMAND_VERSION {
            return Err(format!(
                "command version {} is newer than {COMMAND_VERSION}, which this build understands",
                self.v
            ));
        }
        Command::deserialize(&self.command).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command v{}", self.v)
    }
}

/// What applying an entry gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The machine's answer to a command.
    Replied(Reply),
    /// A blank or membership entry: nothing to answer.
    Internal,
    /// A command that this build cannot decode: recorded, without effect.
    NotUnderstood(String),
}
