//! Asks every configured peer how far it is.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::net::{CallError, Phase, Purpose, StatusAnswer, path};
use crate::node::Inner;
use crate::types::Member;

/// A peer that is up answers in milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

impl Inner {
    /// One call to a peer that need not be in the group.
    pub(super) async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        peer: &Member,
        path: &str,
        request: &Q,
        timeout: Duration,
    ) -> Result<A, CallError> {
        let connection = self.peers.get(&peer.raft_addr, Purpose::Control)?;
        connection.call(path, None, request, timeout).await
    }
}

/// What the peers said.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) answers: Vec<(Member, Result<StatusAnswer, CallError>)>,
}

pub(super) async fn survey(inner: &Inner) -> Survey {
    let others = inner.config.peers.iter().filter(|peer| peer.name != inner.config.name);
    let asked = others.map(|peer| async move {
        let answer = inner.ask(peer, path::STATUS, &(), PROBE_TIMEOUT).await;
        (peer.clone(), answer)
    });
    Survey {
        answers: join_all(asked).await,
    }
}

impl Survey {
    /// Peers that hold a log, with what they know.
    pub(super) fn running(&self) -> impl Iterator<Item = (&Member, &Phase)> {
        self.answers.iter().filter_map(|(peer, answer)| {
            let phase = &answer.as_ref().ok()?.phase;
            matches!(phase, Phase::Running { .. }).then_some((peer, phase))
        })
    }

    /// Peers that stand in the way of forming a group, and why.
    pub(super) fn obstacles(&self, digest: &str) -> BTreeMap<String, String> {
        let obstacles = self.answers.iter().filter_map(|(peer, answer)| {
            let why = match answer {
                Err(error) => error.to_string(),
                Ok(answer) if answer.name != peer.name => {
                    format!("`{}` answers at {}", answer.name, peer.raft_addr)
                }
                Ok(answer) if answer.peers_digest != digest => {
                    "its list of supervisors differs; configure all alike".to_owned()
                }
                Ok(_) => return None,
            };
            Some((peer.name.clone(), why))
        });
        obstacles.collect()
    }
}
