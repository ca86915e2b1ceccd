//! Into a group that runs: under a new id, as a learner, then as a voter; and out of it.

use std::sync::Arc;
use std::time::Duration;

use super::probe::{self, Survey};
use super::status::Formation;
use crate::identity::Identity;
use crate::net::{AdmitRequest, JoinAnswer, JoinRequest, Phase, path};
use crate::node::Inner;

/// The leader commits a blank entry.
const JOIN_TIMEOUT: Duration = Duration::from_secs(4);
/// The leader waits for this node to catch up and changes the membership.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(35);

/// With an empty disk, and a group that runs: asks its leader for a new id.
pub(super) async fn ask_id(inner: &Arc<Inner>, survey: &Survey) -> Formation {
    let mut detail = "no leader is known yet".to_owned();
    let Some(member) = inner.config.me().cloned() else {
        return Formation::Starting;
    };
    for (peer, phase) in survey.running() {
        let Phase::Running { leader, .. } = phase else {
            continue;
        };
        let Some(leader) = leader else {
            continue;
        };
        if leader.name == inner.config.name {
            // The peers have not noticed yet that their leader is gone.
            detail = format!("{} still follows this supervisor's former self", peer.name);
            continue;
        }
        let request = JoinRequest { member: member.clone() };
        match inner
            .ask::<_, JoinAnswer>(leader, path::JOIN, &request, JOIN_TIMEOUT)
            .await
        {
            Ok(JoinAnswer { cluster_id, node_id }) => {
                return match inner.name_disk(Identity::new(cluster_id, node_id)) {
                    Ok(()) => Formation::Joining {
                        id: Some(node_id),
                        detail: "has a new id".to_owned(),
                    },
                    Err(error) => Formation::refused(&error),
                };
            }
            Err(error) => detail = error.to_string(),
        }
    }
    Formation::Joining { id: None, detail }
}

/// With a new id: asks the leader to make this node a voter.
pub(super) async fn ask_admission(inner: &Arc<Inner>, me: &Identity) -> Formation {
    let joining = |detail: String| Formation::Joining {
        id: Some(me.node_id),
        detail,
    };
    let Some(member) = inner.config.me().cloned() else {
        return Formation::Starting;
    };
    let leader = match inner.leader() {
        Some((_, leader)) => Some(leader),
        None => {
            let survey = probe::survey(inner).await;
            survey.running().find_map(|(_, phase)| match phase {
                Phase::Running { cluster_id, leader, .. } if *cluster_id == me.cluster_id => leader.clone(),
                Phase::Running { .. } | Phase::Named { .. } | Phase::Empty => None,
            })
        }
    };
    let Some(leader) = leader else {
        return joining("no leader is known yet".to_owned());
    };
    let request = AdmitRequest {
        node_id: me.node_id,
        member,
    };
    match inner.ask::<_, ()>(&leader, path::ADMIT, &request, ADMIT_TIMEOUT).await {
        Ok(()) => joining("admitted, catching up".to_owned()),
        Err(error) => joining(error.to_string()),
    }
}

/// No leader is heard: perhaps the group has gone on without this id.
pub(super) async fn look_for_removal(inner: &Arc<Inner>, me: &Identity) -> Formation {
    let survey = probe::survey(inner).await;
    let foreign = survey.running().find_map(|(peer, phase)| match phase {
        Phase::Running { cluster_id, .. } if *cluster_id != me.cluster_id => Some((peer, cluster_id)),
        Phase::Running { .. } | Phase::Named { .. } | Phase::Empty => None,
    });
    if let Some((peer, cluster_id)) = foreign {
        return Formation::Refused {
            why: format!(
                "`{}` belongs to cluster `{cluster_id}`, this disk to `{}`; put the right disk back or correct the list \
                 of supervisors",
                peer.name, me.cluster_id
            ),
        };
    }
    let removed = survey.running().any(|(_, phase)| match phase {
        Phase::Running {
            cluster_id,
            members,
            leader,
            ..
        } => *cluster_id == me.cluster_id && leader.is_some() && members.iter().all(|(id, _)| *id != me.node_id),
        Phase::Named { .. } | Phase::Empty => false,
    });
    if removed {
        Formation::Removed { id: me.node_id }
    } else {
        Formation::Member
    }
}
