//! The standing connection to the primary over which it can ask for a failsafe lease.

use std::time::Duration;

use quorate_api::link::{FailsafeAsk, FailsafeGrant, LinkError, Purpose, receive, send};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Caller;
use super::dial::dial;
use crate::machine::{Event, Target};

/// Before the connection is tried again. Nothing waits for it while the supervisors can be reached.
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// Takes questions in and gives the machine's answers back.
pub(crate) struct Answers {
    pub(crate) caller: Caller,
    pub(crate) target: watch::Receiver<Option<Target>>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) answers: mpsc::Receiver<FailsafeGrant>,
}

impl Answers {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.serve() => {}
        }
    }

    async fn serve(&mut self) {
        let mut changes = self.target.clone();
        loop {
            let target = changes.borrow_and_update().clone();
            let Some(target) = target else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = self.talk(&target) => sleep(RETRY_AFTER).await,
            }
        }
    }

    async fn talk(&mut self, target: &Target) {
        let purpose = Purpose::Failsafe {
            node: self.caller.node.clone(),
        };
        let Ok(primary) = dial(&self.caller, target, purpose).await else {
            return;
        };
        let (mut from, mut to) = tokio::io::split(primary);
        let questions = async {
            loop {
                let FailsafeAsk { epoch, seq, release } = receive(&mut from).await?;
                let from = target.node.clone();
                let asked = Event::FailsafeAsked {
                    from,
                    epoch,
                    seq,
                    release,
                };
                if self.events.send(asked).await.is_err() {
                    return Ok::<(), LinkError>(());
                }
            }
        };
        let replies = async {
            while let Some(answer) = self.answers.recv().await {
                send(&mut to, &answer).await?;
            }
            Ok::<(), LinkError>(())
        };
        let ended = tokio::select! {
            ended = questions => ended,
            ended = replies => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "the failsafe connection ended");
        }
    }
}
