//! Carrying a proposal to its end.

use std::time::Duration;

use quorate_model::Command;
use quorate_raft::{Node, ProposeError};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use super::{Input, lead};
use crate::machine::ProposalOutcome;
use crate::metric;

/// Pause before a proposal whose outcome is unknown is repeated under its key.
const REPEAT_PAUSE: Duration = Duration::from_millis(50);

/// Proposes until the outcome is known or the term is over. Repeating is harmless: the state machine knows the key.
pub(super) async fn propose(node: Node, term: u64, command: Command, back: mpsc::Sender<Input>) {
    let outcome = loop {
        match node.propose(&command).await {
            Ok((_, reply)) => break ProposalOutcome::Replied(reply),
            Err(error @ (ProposeError::NotReady | ProposeError::TooLarge { .. } | ProposeError::Encode(_))) => {
                break ProposalOutcome::NotProposed(error.to_string());
            }
            // Even "not the leader" may come after the entry was appended, when leadership is lost in between.
            Err(error) if !lead::leads(&node, term) => break ProposalOutcome::Unknown(error.to_string()),
            Err(error) => {
                warn!(%error, key = %command.key, "proposal without an answer; repeating it");
                sleep(REPEAT_PAUSE).await;
            }
        }
    };
    metric::proposal(&outcome);
    let _ = back
        .send(Input::Proposed {
            key: command.key,
            outcome,
        })
        .await;
}
