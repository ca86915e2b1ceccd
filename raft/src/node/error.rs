//! What can go wrong with a node.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::ConfigError;
use crate::identity::IdentityError;
use crate::log::LogError;
use crate::machine::SnapshotError;
use crate::types::{Member, RaftId};

/// The node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are wrong.
    #[error("the Raft settings are wrong")]
    Config(#[from] ConfigError),
    /// The data folder cannot be used.
    #[error("cannot use the data folder {}; check its owner and mode", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The identity cannot be used.
    #[error("the identity of this disk cannot be used")]
    Identity(#[from] IdentityError),
    /// The log cannot be used.
    #[error("the Raft log cannot be used")]
    Log(#[from] LogError),
    /// The snapshot cannot be used.
    #[error("the Raft snapshot cannot be used")]
    Snapshot(#[from] SnapshotError),
    /// There is a log but nothing says whose.
    #[error(
        "{} has a log but no identity; put `identity.json` back, or move the folder aside and start with an empty \
         one: this supervisor rejoins under a new id",
        path.display()
    )]
    Orphan {
        /// The folder.
        path: PathBuf,
    },
    /// The snapshot does not reach the log.
    #[error(
        "the log in {} begins after entry {purged}, the snapshot ends at {covered:?}; put the snapshot back, or move \
         the folder aside and start with an empty one: this supervisor rejoins under a new id",
        path.display()
    )]
    Gap {
        /// The folder.
        path: PathBuf,
        /// Last purged entry.
        purged: u64,
        /// Last entry in the snapshot.
        covered: Option<u64>,
    },
    /// The address is taken.
    #[error("cannot listen on {addr}; choose another address or stop what uses it")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// openraft refused to start.
    #[error("Raft does not start: {0}")]
    Raft(String),
}

/// A command was not committed, or it is not known whether it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was proposed: another supervisor leads.
    #[error("{}", match leader {
        Some((id, member)) => format!("ask the leader: {member}, id {id}"),
        None => "there is no leader at the moment; try again".to_owned(),
    })]
    NotLeader {
        /// Who leads, if known.
        leader: Option<(RaftId, Member)>,
    },
    /// Nothing was proposed: this supervisor is not in a group yet.
    #[error("this supervisor has not joined its group yet; try again")]
    NotReady,
    /// Nothing was proposed: too large.
    #[error(
        "the command has {bytes} bytes, at most {} are allowed",
        crate::config::COMMAND_BYTES_MAX
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Nothing was proposed: it does not encode.
    #[error("the command does not encode: {0}")]
    Encode(String),
    /// It may be committed, now or later, or never. Ask again with the same idempotency key.
    #[error("the outcome is unknown ({why}); repeat with the same key")]
    Unknown {
        /// What happened.
        why: String,
    },
    /// It is committed, but this build does not understand it.
    #[error("committed, but not understood by this build: {0}")]
    NotUnderstood(String),
    /// Raft has stopped on this node; restart it.
    #[error("Raft has stopped on this supervisor ({0}); see its log, then restart it")]
    Stopped(String),
}

/// A question to the group got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This node does not lead, or could not prove it.
    #[error("this supervisor could not prove that it leads: {0}")]
    NotLeader(String),
    /// Not in a group yet.
    #[error("this supervisor has not joined its group yet; try again")]
    NotReady,
    /// No quorum answered in time.
    #[error("no quorum answered within {0:?}")]
    Timeout(Duration),
}

/// A change of leadership or membership failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// Another supervisor leads.
    #[error("{}", match leader {
        Some((id, member)) => format!("ask the leader: {member}, id {id}"),
        None => "there is no leader at the moment; try again".to_owned(),
    })]
    NotLeader {
        /// Who leads, if known.
        leader: Option<(RaftId, Member)>,
    },
    /// Not in a group yet.
    #[error("this supervisor has not joined its group yet; try again")]
    NotReady,
    /// No such id.
    #[error("id {0} is not a member; see the member list")]
    UnknownId(RaftId),
    /// Nobody could take over.
    #[error("no other voter has the whole log; try again once one has caught up")]
    NobodyReady,
    /// The change would leave no voter, or another change is under way.
    #[error("the change was refused: {0}")]
    Refused(String),
    /// The change was begun and may still complete.
    #[error("not done within {0:?}; it may still complete: look at the member list before you repeat it")]
    Timeout(Duration),
    /// Raft has stopped on this node.
    #[error("Raft has stopped on this supervisor ({0}); see its log, then restart it")]
    Stopped(String),
}
