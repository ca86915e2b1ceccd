//! What the handle, the listener and formation share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::leadership::{self, Leadership};
use super::start;
use crate::config::Config;
use crate::formation::{Ask, Formation};
use crate::identity::{Identity, IdentityError};
use crate::machine::Applied;
use crate::net::{ErrorCode, FormRequest, Peers, Phase, StatusAnswer, WireError};
use crate::node::StartError;
use crate::types::{Member, Raft, RaftId};

/// A leader that has been silent for so many election timeouts is not named any more.
const SILENCE_ELECTIONS: u32 = 2;

/// One node.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) raft_config: Arc<openraft::Config>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) formation: watch::Sender<Formation>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
    pub(super) identity: Arc<ArcSwapOption<Identity>>,
    pub(super) slot: OnceLock<Running>,
    pub(super) applied: watch::Sender<Applied>,
    pub(super) leadership: watch::Sender<Leadership>,
    pub(super) asks: mpsc::Sender<Ask>,
    /// The last leader that sent something, and when.
    pub(super) heard: Mutex<Option<(RaftId, Instant)>>,
}

/// openraft, once this node has a log.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) raft: Raft,
    pub(super) log_closed: CancellationToken,
    pub(super) not_understood: Arc<std::sync::atomic::AtomicU64>,
}

impl Inner {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.load_full()
    }

    pub(crate) fn raft(&self) -> Option<&Raft> {
        self.slot.get().map(|running| &running.raft)
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.config.data_dir.join("log")
    }

    /// Writes who this disk is. Only formation calls it.
    pub(crate) fn name_disk(&self, identity: Identity) -> Result<(), IdentityError> {
        identity.save(&self.config.data_dir)?;
        self.identity.store(Some(Arc::new(identity)));
        Ok(())
    }

    /// Opens the log and starts openraft, unless it runs already. Only start-up and formation call it, one at a time.
    pub(crate) async fn run_raft(self: &Arc<Self>) -> Result<(), StartError> {
        let Some(identity) = self.identity() else {
            return Ok(());
        };
        if self.slot.get().is_some() {
            return Ok(());
        }
        let running = start::run_raft(self, &identity).await?;
        if !identity.log_created {
            self.name_disk(Identity {
                log_created: true,
                ..(*identity).clone()
            })?;
        }
        let raft = running.raft.clone();
        if self.slot.set(running).is_ok() {
            let changes = self.leadership.clone();
            self.tracker.spawn(leadership::publish(Arc::clone(self), raft, changes));
        }
        Ok(())
    }

    /// Notes that a leader sent something.
    pub(crate) fn hear(&self, leader: RaftId) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((leader, Instant::now()));
    }

    /// Whether `leader` is this node or sent something not long ago. openraft names the leader of the last term that it
    /// knows even if that one has been silent for hours: with Pre-Vote, silence does not end a term.
    pub(super) fn is_heard(&self, leader: RaftId) -> bool {
        if self.identity().is_some_and(|me| me.node_id == leader) {
            return true;
        }
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|(from, at)| {
            from == leader && at.elapsed() < self.config.profile.election_max() * SILENCE_ELECTIONS
        })
    }

    /// The leader that this node knows of and hears.
    pub(crate) fn leader(&self) -> Option<(RaftId, Member)> {
        let metrics = self.raft()?.metrics();
        let metrics = metrics.borrow_watched();
        let id = metrics.current_leader.filter(|id| self.is_heard(*id))?;
        let member = metrics.membership_config.membership().get_node(&id)?;
        Some((id, self.config.located(member)))
    }

    /// All members that this node knows of, learners included.
    pub(crate) fn members(&self) -> Vec<(RaftId, Member)> {
        let Some(raft) = self.raft() else {
            return Vec::new();
        };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        nodes.map(|(id, member)| (*id, self.config.located(member))).collect()
    }

    /// Whether a log was ever written here.
    pub(crate) async fn is_initialized(&self) -> bool {
        match self.raft() {
            Some(raft) => raft.is_initialized().await.unwrap_or(true),
            None => false,
        }
    }

    pub(crate) async fn status(&self) -> StatusAnswer {
        let phase = match self.identity() {
            None => Phase::Empty,
            Some(me) if !self.is_initialized().await => Phase::Named {
                cluster_id: me.cluster_id.clone(),
                node_id: me.node_id,
            },
            Some(me) => Phase::Running {
                cluster_id: me.cluster_id.clone(),
                node_id: me.node_id,
                members: self.members(),
                leader: self.leader().map(|(_, member)| member),
            },
        };
        StatusAnswer {
            name: self.config.name.clone(),
            peers_digest: self.config.peers_digest(),
            phase,
        }
    }

    /// Hands a peer's wish to form to the formation task, the only one that names this disk.
    pub(crate) async fn form(&self, request: FormRequest) -> Result<(), WireError> {
        let gone = || WireError::new(ErrorCode::NotReady, "this supervisor is shutting down");
        let (answer, answered) = oneshot::channel();
        let ask = Ask { request, answer };
        self.asks.send(ask).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
