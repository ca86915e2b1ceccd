//! Who leads, as this node sees it.

use std::sync::Arc;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::inner::Inner;
use crate::types::{Raft, RaftId};

/// What this node is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Not in a group yet.
    Forming,
    /// Receives the log, has no vote.
    Learner,
    /// Follows a leader, or waits for one.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads. That alone is no right to act: see [`Node::quorum_acked_age`](crate::Node::quorum_acked_age).
    Leader,
    /// Raft has stopped; restart the process.
    Stopped,
}

/// Who leads, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// What this node is.
    pub role: Role,
    /// The term.
    pub term: u64,
    /// Who leads the term, if it is this node or is heard.
    pub leader: Option<RaftId>,
    /// Since when role, term and leader are so.
    pub since: Instant,
}

impl Leadership {
    pub(super) fn forming() -> Self {
        Self {
            role: Role::Forming,
            term: 0,
            leader: None,
            since: Instant::now(),
        }
    }

    fn read(inner: &Inner, raft: &Raft) -> Self {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let role = match metrics.state {
            _ if metrics.running_state.is_err() => Role::Stopped,
            ServerState::Learner => Role::Learner,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Leader => Role::Leader,
            ServerState::Shutdown => Role::Stopped,
        };
        Self {
            role,
            term: metrics.current_term,
            leader: metrics.current_leader.filter(|id| inner.is_heard(*id)),
            since: Instant::now(),
        }
    }

    fn same(&self, other: &Self) -> bool {
        (self.role, self.term, self.leader) == (other.role, other.term, other.leader)
    }
}

/// Publishes every change until the node or its Raft stops.
pub(super) async fn publish(inner: Arc<Inner>, raft: Raft, changes: watch::Sender<Leadership>) {
    let mut metrics = raft.metrics();
    // Silence makes no metric change; it is looked for.
    let look_again = inner.config.profile.election_max();
    loop {
        let now = Leadership::read(&inner, &raft);
        let stopped = now.role == Role::Stopped;
        changes.send_if_modified(|last| {
            let changed = !last.same(&now);
            if changed {
                *last = now;
            }
            changed
        });
        if stopped {
            return;
        }
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = sleep(look_again) => {}
            changed = metrics.changed() => if changed.is_err() {
                changes.send_modify(|last| last.role = Role::Stopped);
                return;
            },
        }
    }
}
