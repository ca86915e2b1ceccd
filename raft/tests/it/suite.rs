//! openraft's own storage suite over our log and our machine.

use std::time::Duration;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use quorate_raft::{LogStore, MachineHost, TypeConfig};
use tempfile::TempDir;
use tokio::sync::watch;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, MachineHost, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, MachineHost), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let log = LogStore::open(&folder.path().join("log"), 1).unwrap();
        let (published, _) = watch::channel(quorate_raft::Applied::default());
        let machine = MachineHost::open(folder.path(), published).unwrap();
        Ok((folder, log, machine))
    }
}

#[tokio::test]
async fn openraft_storage_suite() {
    let suite = Suite::test_all(Builder);
    tokio::time::timeout(Duration::from_secs(60), suite)
        .await
        .expect("the suite ends")
        .unwrap();
}
