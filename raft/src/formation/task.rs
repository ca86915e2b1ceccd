//! The formation task: one step at a time until this node is a member, then an eye on being removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::probe::{self, Survey};
use super::status::Formation;
use crate::config::{VOTERS_MAX, hex};
use crate::identity::Identity;
use crate::net::{
    AdmitRequest, CallError, ErrorCode, FormRequest, JoinAnswer, JoinRequest, Phase, Purpose, WireError, path,
};
use crate::node::Inner;
use crate::types::{Member, RaftId};

/// While something is to be done.
const STEP_INTERVAL: Duration = Duration::from_millis(150);
/// While this node is a member.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Naming a peer's disk waits for its fsyncs and for its own survey.
const FORM_TIMEOUT: Duration = Duration::from_secs(5);
/// The leader commits a blank entry.
const JOIN_TIMEOUT: Duration = Duration::from_secs(4);
/// The leader waits for this node to catch up and changes the membership.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(35);

/// A peer wants to form a group with this node.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: FormRequest,
    pub(crate) answer: oneshot::Sender<Result<(), WireError>>,
}

/// Runs until the node stops.
pub(crate) async fn run(inner: Arc<Inner>, mut asks: mpsc::Receiver<Ask>) {
    loop {
        let next = tokio::select! {
            () = inner.cancel.cancelled() => return,
            next = step(&inner) => next,
        };
        let pause = match next {
            Formation::Member | Formation::Removed { .. } | Formation::Refused { .. } => IDLE_INTERVAL,
            Formation::Starting | Formation::Waiting { .. } | Formation::Joining { .. } => STEP_INTERVAL,
        };
        inner.formation.send_if_modified(|last| {
            let changed = *last != next;
            if changed {
                tracing::info!(status = ?next, "formation");
                *last = next;
            }
            changed
        });
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = sleep(pause) => {}
            ask = asks.recv() => match ask {
                Some(ask) => {
                    let answer = accept(&inner, ask.request).await;
                    // A peer that gave up asks again.
                    drop(ask.answer.send(answer));
                }
                None => return,
            },
        }
    }
}

async fn step(inner: &Arc<Inner>) -> Formation {
    let me = inner.identity();
    let Some(me) = me else {
        return enter(inner).await;
    };
    if let Err(error) = inner.run_raft().await {
        let why = format!("{error}: {}", source(&error));
        return Formation::Refused { why };
    }
    let is_voter = inner
        .raft()
        .is_some_and(|raft| raft.voter_ids().any(|id| id == me.node_id));
    if is_voter {
        // A voter that hears its leader, or whose leader is only just gone, is in good standing.
        if inner.leader().is_some() {
            return Formation::Member;
        }
        return look_for_removal(inner, &me).await;
    }
    if me.node_id > VOTERS_MAX as RaftId {
        return ask_admission(inner, &me).await;
    }
    if inner.is_initialized().await {
        return look_for_removal(inner, &me).await;
    }
    form_again(inner, &me).await
}

/// With an empty disk: form a group, or join one.
async fn enter(inner: &Arc<Inner>) -> Formation {
    let survey = probe::survey(inner).await;
    if survey.running().next().is_some() {
        return ask_id(inner, &survey).await;
    }
    let mut cluster = [0_u8; 16];
    if let Err(error) = OsRng.try_fill_bytes(&mut cluster) {
        let why = format!("the system gives no random bytes: {error}");
        return Formation::Refused { why };
    }
    form(inner, &survey, hex(&cluster)).await
}

/// Named, but the group was never initialised.
async fn form_again(inner: &Arc<Inner>, me: &Identity) -> Formation {
    let survey = probe::survey(inner).await;
    let mine = survey
        .running()
        .any(|(_, phase)| matches!(phase, Phase::Running { cluster_id, .. } if *cluster_id == me.cluster_id));
    if mine && is_lowest(inner) {
        return Formation::Refused {
            why: format!(
                "the group runs but the log of this supervisor, which began it, is empty: its disk has lost data; move \
                 {} aside and start with an empty folder",
                inner.config.data_dir.display()
            ),
        };
    }
    if survey.running().next().is_some() {
        // The leader knows this id and is about to send the log.
        return Formation::Joining {
            id: Some(me.node_id),
            detail: "waiting for the leader to send the log".to_owned(),
        };
    }
    form(inner, &survey, me.cluster_id.clone()).await
}

/// Names all disks and initialises, if all agree and this is the lowest.
async fn form(inner: &Arc<Inner>, survey: &Survey, cluster_id: String) -> Formation {
    let digest = inner.config.peers_digest();
    let mut waiting_for = survey.obstacles(&digest);
    let voters = inner.config.first_voters();
    if waiting_for.is_empty()
        && !is_lowest(inner)
        && let Some((_, first)) = voters.first()
    {
        let what = "to form the group: all supervisors agree".to_owned();
        waiting_for.insert(first.name.clone(), what);
    }
    if !waiting_for.is_empty() {
        return Formation::Waiting { waiting_for };
    }
    let others = voters.iter().filter(|(_, peer)| peer.name != inner.config.name);
    let named = others.map(|(id, peer)| {
        let request = FormRequest {
            cluster_id: cluster_id.clone(),
            node_id: *id,
            peers_digest: digest.clone(),
        };
        async move {
            let answer: Result<(), CallError> = call(inner, peer, path::FORM, &request, FORM_TIMEOUT).await;
            (peer.name.clone(), answer)
        }
    });
    let waiting_for: BTreeMap<String, String> = join_all(named)
        .await
        .into_iter()
        .filter_map(|(name, answer)| Some((name, answer.err()?.to_string())))
        .collect();
    if !waiting_for.is_empty() {
        return Formation::Waiting { waiting_for };
    }
    let Some((my_id, _)) = voters.iter().find(|(_, peer)| peer.name == inner.config.name) else {
        return Formation::Starting;
    };
    if let Err(why) = initialize(inner, &cluster_id, *my_id, voters.iter().cloned().collect()).await {
        return Formation::Refused { why };
    }
    Formation::Member
}

async fn initialize(
    inner: &Arc<Inner>,
    cluster_id: &str,
    my_id: RaftId,
    voters: BTreeMap<RaftId, Member>,
) -> Result<(), String> {
    if inner.identity().is_none() {
        inner
            .name_disk(Identity::new(cluster_id.to_owned(), my_id))
            .map_err(|error| format!("{error}: {}", source(&error)))?;
    }
    inner
        .run_raft()
        .await
        .map_err(|error| format!("{error}: {}", source(&error)))?;
    match inner.raft() {
        Some(raft) => raft
            .initialize(voters)
            .await
            .map_err(|error| format!("the group cannot be initialised: {error}")),
        None => Err("Raft does not run".to_owned()),
    }
}

/// The lowest peer asks this one to take an id. Only a disk without a log takes one.
async fn accept(inner: &Arc<Inner>, request: FormRequest) -> Result<(), WireError> {
    if request.peers_digest != inner.config.peers_digest() {
        let message = format!(
            "the list of supervisors configured at `{}` differs; configure all alike",
            inner.config.name
        );
        return Err(WireError::new(ErrorCode::PeersDiffer, message));
    }
    if inner.is_initialized().await {
        let message = format!("`{}` already holds a log", inner.config.name);
        return Err(WireError::new(ErrorCode::WrongCluster, message));
    }
    let me = inner.identity();
    let wanted = Identity {
        log_created: me.as_ref().is_some_and(|me| me.log_created),
        ..Identity::new(request.cluster_id, request.node_id)
    };
    match me {
        Some(me) if me.node_id != wanted.node_id => {
            let message = format!("`{}` has id {}", inner.config.name, me.node_id);
            return Err(WireError::new(ErrorCode::WrongNode, message));
        }
        Some(me) if *me == wanted => {}
        Some(_) | None => inner
            .name_disk(wanted)
            .map_err(|error| WireError::stopped(format!("{error}: {}", source(&error))))?,
    }
    inner
        .run_raft()
        .await
        .map_err(|error| WireError::stopped(format!("{error}: {}", source(&error))))
}

/// With an empty disk, and a group that runs: asks its leader for a new id.
async fn ask_id(inner: &Arc<Inner>, survey: &Survey) -> Formation {
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
        match call::<_, JoinAnswer>(inner, leader, path::JOIN, &request, JOIN_TIMEOUT).await {
            Ok(JoinAnswer { cluster_id, node_id }) => {
                return match inner.name_disk(Identity::new(cluster_id, node_id)) {
                    Ok(()) => Formation::Joining {
                        id: Some(node_id),
                        detail: "has a new id".to_owned(),
                    },
                    Err(error) => Formation::Refused {
                        why: format!("{error}: {}", source(&error)),
                    },
                };
            }
            Err(error) => detail = error.to_string(),
        }
    }
    Formation::Joining { id: None, detail }
}

/// With a new id: asks the leader to make this node a voter.
async fn ask_admission(inner: &Arc<Inner>, me: &Identity) -> Formation {
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
    match call::<_, ()>(inner, &leader, path::ADMIT, &request, ADMIT_TIMEOUT).await {
        Ok(()) => joining("admitted, catching up".to_owned()),
        Err(error) => joining(error.to_string()),
    }
}

/// No leader is heard: perhaps the group has gone on without this id.
async fn look_for_removal(inner: &Arc<Inner>, me: &Identity) -> Formation {
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

async fn call<Q: serde::Serialize, A: serde::de::DeserializeOwned>(
    inner: &Inner,
    peer: &Member,
    path: &str,
    request: &Q,
    timeout: Duration,
) -> Result<A, CallError> {
    let connection = inner.peers.get(&peer.raft_addr, Purpose::Control)?;
    connection.call(path, None, request, timeout).await
}

fn is_lowest(inner: &Inner) -> bool {
    let voters = inner.config.first_voters();
    voters.first().is_some_and(|(_, first)| first.name == inner.config.name)
}

fn source(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
