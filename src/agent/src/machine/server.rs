//! What is known of the server process, and what it is in this boot.

use std::collections::BTreeSet;

use quorate_model::{Epoch, Gtid, GtidSet, Moment, NodeId, ServerFacts};

use super::{Machine, Step};

/// The server process.
#[derive(Debug)]
pub(super) enum Server {
    /// Not running.
    Down(Down),
    /// Started, not answering yet.
    Starting {
        /// Which start.
        boot: u64,
        /// SIGKILL was sent.
        killed: bool,
    },
    /// Answering.
    Up(Box<Up>),
}

/// A server that is not running.
#[derive(Debug)]
pub(super) struct Down {
    /// Why it ended, if it ran.
    pub(super) exit: Option<String>,
    /// Which start ended; 0 if none.
    pub(super) boot: u64,
    /// Whether it died in the primary role.
    pub(super) led: bool,
    /// Whether its binlog has been looked at; a start may truncate it.
    pub(super) examined: bool,
    /// Started at the latest then, whatever is ordered.
    pub(super) start_at: Moment,
    /// The start that waits for its number to be on disk.
    pub(super) permit: Option<u64>,
}

/// A server that answers.
#[derive(Debug)]
pub(super) struct Up {
    /// Which start.
    pub(super) boot: u64,
    /// SIGKILL was sent.
    pub(super) killed: bool,
    /// Its last answer.
    pub(super) facts: ServerFacts,
    /// When that came.
    pub(super) at: Moment,
    /// What it is.
    pub(super) role: Role,
}

/// What a server is, in this boot. It begins as `Gated` and leaves `Primary` only by dying.
#[derive(Debug)]
pub(super) enum Role {
    /// Behind the boot gate; relay logs of an earlier run may hold what was not applied.
    Gated,
    /// Receives nothing; everything it ever received is known.
    Quiet,
    /// Receives, or may: from before the first attempt to attach.
    Replica {
        epoch: Epoch,
        source: NodeId,
        /// When the attachment succeeded.
        attached: Option<Moment>,
    },
    /// Armed, or may be: from before the attempt to arm.
    Primary(Primary),
}

/// A primary role.
#[derive(Debug)]
pub(super) struct Primary {
    pub(super) epoch: Epoch,
    /// Semi-sync is on.
    pub(super) armed: bool,
    /// The epoch row, once acknowledged.
    pub(super) barrier: Option<Gtid>,
    /// Writes are allowed.
    pub(super) unlocked: bool,
    /// Commits are frozen here.
    pub(super) frozen: Option<GtidSet>,
    /// Whose acknowledgements pass.
    pub(super) ackable: BTreeSet<NodeId>,
}

/// A step under way.
#[derive(Debug)]
pub(super) struct PendingStep {
    pub(super) id: u64,
    pub(super) step: Step,
    pub(super) cancelled: bool,
}

impl Server {
    pub(super) const fn never_started(now: Moment) -> Self {
        Self::Down(Down {
            exit: None,
            boot: 0,
            led: false,
            examined: true,
            start_at: now,
            permit: None,
        })
    }
}

impl Machine {
    /// The running server, unless it is being killed.
    pub(super) fn up(&self) -> Option<&Up> {
        match &self.server {
            Server::Up(up) if !up.killed => Some(up),
            Server::Up(_) | Server::Starting { .. } | Server::Down(_) => None,
        }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.server {
            Server::Up(up) if !up.killed => Some(up),
            Server::Up(_) | Server::Starting { .. } | Server::Down(_) => None,
        }
    }

    pub(super) fn role(&self) -> Option<&Role> {
        self.up().map(|up| &up.role)
    }

    pub(super) fn set_role(&mut self, role: Role) {
        if let Some(up) = self.up_mut() {
            up.role = role;
        }
    }

    pub(super) fn primary(&self) -> Option<&Primary> {
        match self.role() {
            Some(Role::Primary(primary)) => Some(primary),
            Some(Role::Gated | Role::Quiet | Role::Replica { .. }) | None => None,
        }
    }

    pub(super) fn primary_mut(&mut self) -> Option<&mut Primary> {
        match self.up_mut().map(|up| &mut up.role) {
            Some(Role::Primary(primary)) => Some(primary),
            Some(Role::Gated | Role::Quiet | Role::Replica { .. }) | None => None,
        }
    }
}
