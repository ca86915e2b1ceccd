//! Applies committed entries and publishes the state.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::type_config::alias::SnapshotOf;
use openraft::{EntryPayload, OptionalSend, Snapshot};
use quorate_model::State;
use tokio::sync::watch;
use tokio::task;

use super::builder::SnapshotBuilder;
use super::snapshot::{SnapshotBody, SnapshotError, SnapshotStore};
use crate::types::{LogId, Membership, Outcome, SnapshotMeta, TypeConfig};

/// The state after an entry.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Index of the last applied entry of any kind; none before the first.
    pub index: Option<u64>,
    /// The state.
    pub state: Arc<State>,
}

/// The state machine as openraft uses it.
#[derive(Debug)]
pub struct MachineHost {
    state: Arc<State>,
    last: Option<LogId>,
    membership: Membership,
    published: watch::Sender<Applied>,
    snapshots: SnapshotStore,
    not_understood: Arc<AtomicU64>,
}

impl MachineHost {
    /// Restores the machine from the snapshot in `folder`, if there is one.
    ///
    /// # Errors
    /// The snapshot is damaged or unreadable.
    pub fn open(folder: &Path, published: watch::Sender<Applied>) -> Result<Self, SnapshotError> {
        let mut host = Self {
            state: Arc::default(),
            last: None,
            membership: Membership::default(),
            published,
            snapshots: SnapshotStore::new(folder),
            not_understood: Arc::default(),
        };
        if let Some((meta, body)) = host.snapshots.load()? {
            host.adopt(&meta, &body).map_err(|error| SnapshotError::Damaged {
                path: folder.join("snapshot"),
                detail: format!("the state does not decode: {error}"),
            })?;
        }
        Ok(host)
    }

    /// Index that the restored snapshot covers.
    #[must_use]
    pub fn covered(&self) -> Option<u64> {
        self.last.map(|id| id.index)
    }

    /// Counts committed commands that this build could not decode. Above zero, this supervisor is older than its peers.
    #[must_use]
    pub fn not_understood(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.not_understood)
    }

    fn adopt(&mut self, meta: &SnapshotMeta, body: &SnapshotBody) -> serde_json::Result<()> {
        self.state = Arc::new(body.decode()?);
        self.last = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.published.send_replace(Applied {
            index: self.last.map(|id| id.index),
            state: Arc::clone(&self.state),
        });
    }

    fn apply_one(&mut self, id: LogId, payload: &EntryPayloadOf) -> Outcome {
        self.last = Some(id);
        match payload {
            // Each new leader commits one before it acts, so that its orders carry a higher index than its predecessor's, and
            // a late order of the old leader bounces even when nothing else was committed in between (invariants I3, I16).
            EntryPayload::Blank => {
                Arc::make_mut(&mut self.state).index = id.index;
                Outcome::Internal
            }
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(id), membership.clone());
                Outcome::Internal
            }
            EntryPayload::Normal(proposal) => match proposal.decode() {
                Ok(command) => {
                    let state = Arc::make_mut(&mut self.state);
                    Outcome::Replied(state.apply(id.index, &command))
                }
                Err(why) => {
                    self.not_understood.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(index = id.index, %why, "a committed command has no effect here; upgrade this supervisor");
                    Outcome::NotUnderstood(why)
                }
            },
        }
    }
}

type EntryPayloadOf = openraft::type_config::alias::EntryPayloadOf<TypeConfig>;

impl RaftStateMachine<TypeConfig> for MachineHost {
    type SnapshotData = SnapshotBody;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        Ok((self.last, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        // Published before anybody is answered: who proposed reads what was written. The stream holds one batch.
        let mut answers = Vec::new();
        let mut failure = None;
        while let Some(item) = entries.next().await {
            match item {
                Ok((entry, responder)) => {
                    let outcome = self.apply_one(entry.log_id, &entry.payload);
                    answers.extend(responder.map(|responder| (responder, outcome)));
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        self.publish();
        for (responder, outcome) in answers {
            responder.send(outcome);
        }
        failure.map_or(Ok(()), Err)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            meta: SnapshotMeta {
                last_log_id: self.last,
                last_membership: self.membership.clone(),
            },
            state: Arc::clone(&self.state),
            store: self.snapshots.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotBody) -> io::Result<()> {
        let (store, owned) = (self.snapshots.clone(), meta.clone());
        let body = snapshot.clone();
        task::spawn_blocking(move || store.save(&owned, &body))
            .await
            .map_err(io::Error::other)??;
        self.adopt(meta, &snapshot)?;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<TypeConfig, SnapshotBody>>> {
        let store = self.snapshots.clone();
        let loaded = task::spawn_blocking(move || store.load())
            .await
            .map_err(io::Error::other)?;
        let snapshot = loaded.map_err(io::Error::other)?;
        Ok(snapshot.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}
