//! The leader's side of joining: a new id for a supervisor that lost its disk, then its place among the voters.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::VOTERS_MAX;
use crate::net::{AdmitRequest, ErrorCode, JoinAnswer, JoinRequest, WireError};
use crate::node::{Inner, MemberError};
use crate::types::{Member, RaftId};

/// A blank entry is committed in milliseconds or there is no quorum.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// A member that answered so recently, in election timeouts, is alive.
const ALIVE_ELECTIONS: u32 = 2;

/// Gives out an id that was never used: above the first voters' ids by the index of a committed blank entry.
pub(crate) async fn join(inner: &Inner, request: JoinRequest) -> Result<JoinAnswer, WireError> {
    let raft = inner.leading().map_err(refusal)?;
    let identity = inner.identity().ok_or_else(|| refusal(MemberError::NotReady))?;
    check_name(inner, &request.member)?;
    let written = timeout(WRITE_TIMEOUT, raft.write_blank())
        .await
        .map_err(|_| WireError::new(ErrorCode::NotReady, "no quorum answers; try again"))?
        .map_err(|error| WireError::new(ErrorCode::NotReady, error.to_string()))?;
    Ok(JoinAnswer {
        cluster_id: identity.cluster_id.clone(),
        node_id: VOTERS_MAX as RaftId + written.log_id.index,
    })
}

/// Makes a joined supervisor a voter in place of its former self. Repeating it does no harm.
pub(crate) async fn admit(inner: &Inner, request: AdmitRequest) -> Result<(), WireError> {
    inner.leading().map_err(refusal)?;
    let AdmitRequest { node_id, member } = request;
    let members = inner.members();
    let known = members.iter().find(|(id, _)| *id == node_id);
    if let Some((_, known)) = known
        && known.name != member.name
    {
        let message = format!("id {node_id} belongs to `{}`", known.name);
        return Err(WireError::new(ErrorCode::NameInUse, message));
    }
    let former: BTreeSet<RaftId> = members
        .iter()
        .filter(|(id, other)| other.name == member.name && *id != node_id)
        .map(|(id, _)| *id)
        .collect();
    if inner.is_settled(node_id) {
        return Ok(());
    }
    check_name(inner, &member)?;
    if known.is_none() {
        inner.add_learner(node_id, member).await.map_err(refusal)?;
    }
    inner.catch_up(node_id).await.map_err(refusal)?;
    inner.swap_voter(&former, node_id).await.map_err(refusal)?;
    tracing::info!(node_id, ?former, "a supervisor was admitted under a new id");
    let members = inner.members();
    inner
        .peers
        .retain(|addr| members.iter().any(|(_, member)| member.raft_addr == addr));
    Ok(())
}

/// Only a configured name, and only if nobody alive holds it.
fn check_name(inner: &Inner, member: &Member) -> Result<(), WireError> {
    let configured = &inner.config.peers;
    if configured.iter().all(|peer| peer.name != member.name) {
        let message = format!(
            "no supervisor `{}` is configured at the leader `{}`; add it to the list there",
            member.name, inner.config.name
        );
        return Err(WireError::new(ErrorCode::UnknownName, message));
    }
    let alive_for = inner.config.profile.election_max() * ALIVE_ELECTIONS;
    let answered = inner.answered();
    let me = inner.identity().map(|me| me.node_id);
    let holder = inner.members().into_iter().find(|(id, other)| {
        let alive = Some(*id) == me || answered.get(id).is_some_and(|age| *age < alive_for);
        // The same address is the same process: a former self that answered a moment ago is dead now.
        other.name == member.name && alive && other.raft_addr != member.raft_addr
    });
    match holder {
        None => Ok(()),
        Some((id, other)) => Err(WireError::new(
            ErrorCode::NameInUse,
            format!(
                "`{}` is alive at {} under id {id}; stop one of the two",
                other.name, other.raft_addr
            ),
        )),
    }
}

fn refusal(error: MemberError) -> WireError {
    let message = error.to_string();
    let code = match &error {
        MemberError::NotLeader { .. } => ErrorCode::NotLeader,
        MemberError::Stopped(_) => ErrorCode::Stopped,
        MemberError::NotReady
        | MemberError::UnknownId(_)
        | MemberError::NobodyReady
        | MemberError::Refused(_)
        | MemberError::Timeout(_) => ErrorCode::NotReady,
    };
    let leader = match error {
        MemberError::NotLeader { leader } => leader.map(|(_, member)| member),
        MemberError::NotReady
        | MemberError::UnknownId(_)
        | MemberError::NobodyReady
        | MemberError::Refused(_)
        | MemberError::Timeout(_)
        | MemberError::Stopped(_) => None,
    };
    WireError {
        leader,
        ..WireError::new(code, message)
    }
}
