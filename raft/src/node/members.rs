//! Changes of leadership and membership.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::{sleep, timeout};

use super::error::MemberError;
use super::handle::Node;
use super::inner::Inner;
use crate::types::{Member, Raft, RaftId, TypeConfig};

/// A transfer takes milliseconds; after this the target is not going to lead.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(2);
/// A membership change waits for a quorum of both the old and the new voters.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a learner's progress is looked at.
const CATCH_UP_POLL: Duration = Duration::from_millis(20);

impl Node {
    /// Hands the leadership to a voter.
    ///
    /// # Errors
    /// This node does not lead, the target is no voter, or it did not take over in time.
    pub async fn transfer_leadership(&self, to: RaftId) -> Result<(), MemberError> {
        let raft = self.inner.leading()?;
        if !raft.voter_ids().any(|id| id == to) {
            return Err(MemberError::UnknownId(to));
        }
        raft.trigger()
            .transfer_leader(to)
            .await
            .map_err(|fatal| MemberError::Stopped(fatal.to_string()))?;
        self.until_led_by(to, TRANSFER_TIMEOUT)
            .await
            .map_err(|_| MemberError::Timeout(TRANSFER_TIMEOUT))
    }

    /// Hands the leadership to the voter that has most of the log. Does nothing if this node does not lead.
    ///
    /// # Errors
    /// No other voter could take over.
    pub async fn step_down(&self) -> Result<(), MemberError> {
        let raft = match self.inner.leading() {
            Ok(raft) => raft,
            Err(MemberError::NotLeader { .. } | MemberError::NotReady) => return Ok(()),
            Err(error) => return Err(error),
        };
        let best = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            let voters: BTreeSet<RaftId> = metrics.membership_config.voter_ids().collect();
            let progress = metrics.replication.iter().flatten();
            progress
                .filter(|(id, _)| **id != metrics.id && voters.contains(id))
                .max_by_key(|(_, matched)| matched.map(|id| id.index))
                .map(|(id, _)| *id)
        };
        match best {
            Some(id) => self.transfer_leadership(id).await,
            None => Err(MemberError::NobodyReady),
        }
    }

    /// All members that this node knows of: id, who it is, whether it votes.
    #[must_use]
    pub fn members(&self) -> Vec<(RaftId, Member, bool)> {
        let voters: BTreeSet<RaftId> = match self.inner.raft() {
            Some(raft) => raft.voter_ids().collect(),
            None => BTreeSet::new(),
        };
        let members = self.inner.members().into_iter();
        members.map(|(id, member)| (id, member, voters.contains(&id))).collect()
    }

    /// Adds a member that receives the log but does not vote. The id must never have been used before.
    ///
    /// # Errors
    /// This node does not lead, or the change was refused.
    pub async fn add_learner(&self, id: RaftId, member: Member) -> Result<(), MemberError> {
        self.inner.add_learner(id, member).await
    }

    /// Makes the learner `new` a voter and removes `old`, once `new` has caught up.
    ///
    /// # Errors
    /// This node does not lead, `new` is no member, or the change was refused.
    pub async fn replace_voter(&self, old: RaftId, new: RaftId) -> Result<(), MemberError> {
        self.inner.catch_up(new).await?;
        self.inner.swap_voter(&BTreeSet::from([old]), new).await
    }

    /// Removes a member for good.
    ///
    /// # Errors
    /// This node does not lead, there is no such member, or it is the last voter.
    pub async fn remove_member(&self, id: RaftId) -> Result<(), MemberError> {
        let raft = self.inner.leading()?;
        if raft.voter_ids().any(|voter| voter == id) {
            let change = ChangeMembers::RemoveVoters(BTreeSet::from([id]));
            return self.inner.change(change).await;
        }
        if self.inner.members().iter().any(|(known, _)| *known == id) {
            let change = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
            return self.inner.change(change).await;
        }
        Err(MemberError::UnknownId(id))
    }
}

impl Inner {
    /// openraft, if this node leads.
    pub(crate) fn leading(&self) -> Result<&Raft, MemberError> {
        let raft = self.raft().ok_or(MemberError::NotReady)?;
        if raft.is_leader() {
            Ok(raft)
        } else {
            let leader = self.leader();
            Err(MemberError::NotLeader { leader })
        }
    }

    pub(crate) async fn add_learner(&self, id: RaftId, member: Member) -> Result<(), MemberError> {
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(id, member)])))
            .await
    }

    /// Waits until a learner has what this leader has now.
    pub(crate) async fn catch_up(&self, id: RaftId) -> Result<(), MemberError> {
        let raft = self.leading()?;
        if self.members().iter().all(|(known, _)| *known != id) {
            return Err(MemberError::UnknownId(id));
        }
        let metrics = raft.metrics();
        let wanted = metrics.borrow_watched().last_log_index;
        timeout(CHANGE_TIMEOUT, async {
            loop {
                let matched = {
                    let now = metrics.borrow_watched();
                    let of_id = now.replication.as_ref().and_then(|all| all.get(&id));
                    of_id.copied().flatten().map(|id| id.index)
                };
                if matched >= wanted {
                    return;
                }
                sleep(CATCH_UP_POLL).await;
            }
        })
        .await
        .map_err(|_| MemberError::Timeout(CHANGE_TIMEOUT))
    }

    /// Makes `new` a voter in place of `old`, in one joint change, and forgets `old`.
    pub(crate) async fn swap_voter(&self, old: &BTreeSet<RaftId>, new: RaftId) -> Result<(), MemberError> {
        let raft = self.leading()?;
        let mut voters: BTreeSet<RaftId> = raft.voter_ids().filter(|id| !old.contains(id)).collect();
        voters.insert(new);
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await?;
        // Voters that were replaced are gone by now; learners under the old ids are not.
        let rest: BTreeSet<RaftId> = self
            .members()
            .into_iter()
            .map(|(id, _)| id)
            .filter(|id| old.contains(id))
            .collect();
        if rest.is_empty() {
            return Ok(());
        }
        self.change(ChangeMembers::RemoveNodes(rest)).await
    }

    /// Whether an id votes, in a configuration that is final, and no former id of the same supervisor is left.
    ///
    /// A leader may have died between the two halves of a replacement. The group then needs a majority of the old voters
    /// too, and one of them has lost its disk.
    pub(crate) fn is_settled(&self, id: RaftId) -> bool {
        let Some(raft) = self.raft() else {
            return false;
        };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let final_voter = matches!(membership.get_joint_config().as_slice(), [voters] if voters.contains(&id));
        let name = membership.get_node(&id).map(|member| &member.name);
        let mut holders = membership.nodes().filter(|(_, member)| Some(&member.name) == name);
        final_voter && holders.all(|(holder, _)| *holder == id)
    }

    /// On the leader: finishes a change that a former leader has left half done.
    pub(crate) async fn finish_change(&self) -> Result<(), MemberError> {
        let Ok(raft) = self.leading() else {
            return Ok(());
        };
        let wanted = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            // An uncommitted half belongs to a change that is under way.
            if metrics.membership_config != metrics.committed_membership_config {
                return Ok(());
            }
            match metrics.membership_config.get_joint_config().as_slice() {
                [_, .., wanted] => wanted.clone(),
                [_] | [] => return Ok(()),
            }
        };
        self.change(ChangeMembers::ReplaceAllVoters(wanted)).await
    }

    /// Runs a change to its end even if the caller goes away, so that no joint configuration is left behind.
    async fn change(&self, change: ChangeMembers<RaftId, Member>) -> Result<(), MemberError> {
        let raft = self.leading()?.clone();
        let changing = self
            .tracker
            .spawn(async move { raft.change_membership(change, false).await });
        let changed = timeout(CHANGE_TIMEOUT, changing)
            .await
            .map_err(|_| MemberError::Timeout(CHANGE_TIMEOUT))?
            .map_err(|error| MemberError::Stopped(error.to_string()))?;
        match changed {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }
}

fn refusal(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> MemberError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => MemberError::NotLeader {
            leader: to.leader_id.zip(to.leader_node),
        },
        RaftError::APIError(error) => MemberError::Refused(error.to_string()),
        RaftError::Fatal(fatal) => MemberError::Stopped(fatal.to_string()),
    }
}
