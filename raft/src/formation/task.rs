//! The formation task: one step at a time until this node is a member, then an eye on being removed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::status::Formation;
use super::{founding, joining};
use crate::config::VOTERS_MAX;
use crate::net::{FormRequest, WireError};
use crate::node::Inner;
use crate::types::RaftId;

/// While something is to be done.
const STEP_INTERVAL: Duration = Duration::from_millis(150);
/// While this node is a member.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);

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
                    let answer = founding::accept(&inner, ask.request).await;
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
        return founding::enter(inner).await;
    };
    if let Err(error) = inner.run_raft().await {
        return Formation::refused(&error);
    }
    if let Err(error) = inner.finish_change().await {
        tracing::warn!(%error, "a membership change that a former leader began is not finished yet");
    }
    if inner.is_settled(me.node_id) {
        // A voter that hears its leader, or whose leader is only just gone, is in good standing.
        if inner.leader().is_some() {
            return Formation::Member;
        }
        return joining::look_for_removal(inner, &me).await;
    }
    if me.node_id > VOTERS_MAX as RaftId {
        return joining::ask_admission(inner, &me).await;
    }
    if inner.is_initialized().await {
        return joining::look_for_removal(inner, &me).await;
    }
    founding::enter_again(inner, &me).await
}
