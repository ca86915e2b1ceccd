//! How far a node is on its way into the group, in words.

use std::collections::BTreeMap;
use std::error::Error;

use crate::causes::chain;
use crate::types::RaftId;

/// How far a node is on its way into the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formation {
    /// Nothing was tried yet.
    Starting,
    /// The disk is empty; the group forms or is joined once these peers agree.
    Waiting {
        /// Peer and what it lacks.
        waiting_for: BTreeMap<String, String>,
    },
    /// The group exists; this node asks for a new id, or has it and catches up.
    Joining {
        /// The new id, once it has one.
        id: Option<RaftId>,
        /// What happens.
        detail: String,
    },
    /// This node is a member of its group.
    Member,
    /// The group has removed this id. Move the data folder aside and start with an empty one to join again.
    Removed {
        /// The id that is no longer wanted.
        id: RaftId,
    },
    /// Something is wrong that waiting does not cure.
    Refused {
        /// What, and what to do.
        why: String,
    },
}

impl Formation {
    pub(super) fn refused(error: &dyn Error) -> Self {
        Self::Refused { why: chain(error) }
    }
}
