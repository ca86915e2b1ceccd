//! With an empty disk: a group is formed once all configured peers agree. The lowest name does it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::joining;
use super::probe::{self, Survey};
use super::status::Formation;
use crate::causes::chain;
use crate::config::hex;
use crate::identity::Identity;
use crate::net::{CallError, ErrorCode, FormRequest, Phase, WireError, path};
use crate::node::Inner;
use crate::types::{Member, RaftId};

/// Naming a peer's disk waits for its fsyncs and for its own survey.
const FORM_TIMEOUT: Duration = Duration::from_secs(5);

/// With an empty disk: form a group, or join one.
pub(super) async fn enter(inner: &Arc<Inner>) -> Formation {
    let survey = probe::survey(inner).await;
    if survey.running().next().is_some() {
        return joining::ask_id(inner, &survey).await;
    }
    let mut cluster = [0_u8; 16];
    if let Err(error) = OsRng.try_fill_bytes(&mut cluster) {
        let why = format!("the system gives no random bytes: {error}");
        return Formation::Refused { why };
    }
    form(inner, &survey, hex(&cluster)).await
}

/// Named, but the group was never initialised.
pub(super) async fn enter_again(inner: &Arc<Inner>, me: &Identity) -> Formation {
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
            let answer: Result<(), CallError> = inner.ask(peer, path::FORM, &request, FORM_TIMEOUT).await;
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
            .map_err(|error| chain(&error))?;
    }
    inner.run_raft().await.map_err(|error| chain(&error))?;
    match inner.raft() {
        Some(raft) => raft
            .initialize(voters)
            .await
            .map_err(|error| format!("the group cannot be initialised: {error}")),
        None => Err("Raft does not run".to_owned()),
    }
}

/// The lowest peer asks this one to take an id. Only a disk without a log takes one.
pub(super) async fn accept(inner: &Arc<Inner>, request: FormRequest) -> Result<(), WireError> {
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
            .map_err(|error| WireError::stopped(chain(&error)))?,
    }
    inner
        .run_raft()
        .await
        .map_err(|error| WireError::stopped(chain(&error)))
}

fn is_lowest(inner: &Inner) -> bool {
    let voters = inner.config.first_voters();
    voters.first().is_some_and(|(_, first)| first.name == inner.config.name)
}
