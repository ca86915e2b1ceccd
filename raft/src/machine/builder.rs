//! Takes a snapshot of the state as it was when the builder was made, beside the running machine.

use std::io;
use std::sync::Arc;

use openraft::type_config::alias::SnapshotOf;
use openraft::{RaftSnapshotBuilder, Snapshot};
use quorate_model::State;
use tokio::task;

use super::snapshot::{SnapshotBody, SnapshotStore};
use crate::types::{SnapshotMeta, TypeConfig};

/// One snapshot about to be taken.
#[derive(Debug)]
pub struct SnapshotBuilder {
    pub(super) meta: SnapshotMeta,
    pub(super) state: Arc<State>,
    pub(super) store: SnapshotStore,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotBody;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotBody>> {
        let (meta, state, store) = (self.meta.clone(), Arc::clone(&self.state), self.store.clone());
        task::spawn_blocking(move || {
            let snapshot = SnapshotBody::encode(&state)?;
            store.save(&meta, &snapshot)?;
            Ok(Snapshot { meta, snapshot })
        })
        .await
        .map_err(io::Error::other)?
    }
}
