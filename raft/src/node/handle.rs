//! The handle of a node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::{Instant, ReadPolicy};
use quorate_model::{Command, Reply, State};
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::{ProposeError, ReadError, StartError};
use super::inner::Inner;
use super::leadership::Leadership;
use super::start;
use crate::config::{COMMAND_BYTES_MAX, Config};
use crate::formation::Formation;
use crate::identity::Identity;
use crate::machine::Applied;
use crate::net::{Server, Tls};
use crate::types::{Member, Outcome, Proposal, RaftId};

/// A proposal that has no answer by then has an unknown outcome.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// A quorum answers in milliseconds or not at all.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// For closing the log at the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// One voter of the group of supervisors. Cheap to clone; lives until [`Node::shutdown`] or the end of its runtime.
///
/// Give it a small runtime of its own: a busy one delays heartbeats, and that looks like a lost leader.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) inner: Arc<Inner>,
    server: Arc<Server>,
}

impl Node {
    /// Starts a node on the current runtime. It returns before the group is formed or joined: watch
    /// [`Node::formation`] and [`Node::leadership`].
    ///
    /// # Errors
    /// Settings, disk or listener cannot be used; each error says what to do.
    pub async fn start(config: Config, tls: Tls) -> Result<Self, StartError> {
        let (inner, server) = start::start(config, &tls).await?;
        Ok(Self {
            inner,
            server: Arc::new(server),
        })
    }

    /// Commits a command and returns its log index and the machine's answer.
    ///
    /// # Errors
    /// [`ProposeError::Unknown`] if it may be committed all the same.
    pub async fn propose(&self, command: &Command) -> Result<(u64, Reply), ProposeError> {
        let raft = self.inner.raft().ok_or(ProposeError::NotReady)?;
        let proposal = Proposal::new(command).map_err(|error| ProposeError::Encode(error.to_string()))?;
        let bytes = serde_json::to_vec(&proposal).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > COMMAND_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes });
        }
        let unknown = |why: String| ProposeError::Unknown { why };
        let written = timeout(PROPOSE_TIMEOUT, raft.client_write(proposal))
            .await
            .map_err(|_| unknown(format!("no answer within {PROPOSE_TIMEOUT:?}")))?;
        match written {
            Ok(written) => match written.data {
                Outcome::Replied(reply) => Ok((written.log_id.index, reply)),
                Outcome::NotUnderstood(why) => Err(ProposeError::NotUnderstood(why)),
                Outcome::Internal => Err(unknown("a command was answered as none".to_owned())),
            },
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                // A leader that no quorum acknowledges names itself; asking it again helps nobody.
                let leader = to.leader_id.zip(to.leader_node);
                let leader = leader.filter(|(id, _)| id != raft.node_id());
                Err(ProposeError::NotLeader { leader })
            }
            Err(RaftError::APIError(error)) => Err(unknown(error.to_string())),
            Err(RaftError::Fatal(fatal)) => Err(ProposeError::Stopped(fatal.to_string())),
        }
    }

    /// The state as applied on this node. It may lag the group's; see [`Node::read_index`].
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.inner.applied.borrow().state)
    }

    /// Every applied state. A slow reader sees only the latest.
    #[must_use]
    pub fn watch_state(&self) -> watch::Receiver<Applied> {
        self.inner.applied.subscribe()
    }

    /// Who leads, as this node sees it.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.subscribe()
    }

    /// How far this node is on its way into the group, and what it waits for.
    #[must_use]
    pub fn formation(&self) -> watch::Receiver<Formation> {
        self.inner.formation.subscribe()
    }

    /// If this node leads: how long ago a quorum last acknowledged it. Before each external action, check that it is
    /// younger than the lease.
    #[must_use]
    pub fn quorum_acked_age(&self) -> Option<Duration> {
        let leader = self.inner.raft()?.as_leader().ok()?;
        let acked = leader.last_quorum_acked()?;
        Some(acked.elapsed())
    }

    /// Proves with a round trip to a quorum that this node leads, waits until [`Node::state`] holds everything
    /// committed before, and returns the index of it.
    ///
    /// # Errors
    /// This node does not lead or cannot prove it.
    pub async fn read_index(&self) -> Result<Option<u64>, ReadError> {
        let raft = self.inner.raft().ok_or(ReadError::NotReady)?;
        timeout(READ_TIMEOUT, raft.ensure_linearizable(ReadPolicy::ReadIndex))
            .await
            .map_err(|_| ReadError::Timeout(READ_TIMEOUT))?
            .map_err(|error| ReadError::NotLeader(error.to_string()))?;
        Ok(self.inner.applied.borrow().index)
    }

    /// The leader that this node knows of.
    #[must_use]
    pub fn leader(&self) -> Option<(RaftId, Member)> {
        self.inner.leader()
    }

    /// The cluster and this node's id in it; none before the group is formed or joined.
    #[must_use]
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.inner.identity()
    }

    /// Where this node listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// Takes new certificates and authorities into use; established connections stay.
    pub fn reload_tls(&self, tls: &Tls) {
        self.server.reload(tls);
        self.inner.peers.reload(tls);
    }

    /// Stops the node and closes its files. Hand the leadership on first: [`Node::step_down`].
    pub async fn shutdown(&self) {
        self.inner.cancel.cancel();
        self.server.shutdown();
        if let Some(running) = self.inner.slot.get() {
            if let Err(error) = running.raft.shutdown().await {
                tracing::warn!(%error, "Raft ended abnormally");
            }
            if timeout(SHUTDOWN_TIMEOUT, running.log_closed.cancelled()).await.is_err() {
                tracing::warn!("the log is not closed yet");
            }
        }
        self.inner.tracker.close();
        if timeout(SHUTDOWN_TIMEOUT, self.inner.tracker.wait()).await.is_err() {
            tracing::warn!("some tasks have not ended yet");
        }
    }
}

impl Node {
    /// Waits until this node sees a leader.
    pub(super) async fn until_led_by(
        &self,
        wanted: RaftId,
        limit: Duration,
    ) -> Result<(), tokio::time::error::Elapsed> {
        let Some(raft) = self.inner.raft() else {
            return Ok(());
        };
        let mut metrics = raft.metrics();
        timeout(limit, async {
            while metrics.borrow_watched().current_leader != Some(wanted) {
                if metrics.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await
    }
}
