//! Commits can be frozen and thawed, and a freeze that cannot be had leaves nothing behind.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use quorate_mariadb::act::{ActError, freeze, stop_receiving};
use quorate_mariadb::probe::{Beat, Target, WriteProbe, newest_heartbeat};
use tokio_util::task::TaskTracker;

use crate::support::{Cluster, LIMIT, timed};

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_holds_commits_until_it_is_thawed() {
    let cluster = Cluster::of(2).await;
    let primary = &cluster.nodes[0];
    let mut app = primary.app().await;
    app.query_drop("INSERT INTO app.t VALUES (1)").await.unwrap();
    let frozen = timed("freeze", freeze(&primary.connector, LIMIT)).await.unwrap();
    let held = TaskTracker::new().spawn(async move { app.query_drop("INSERT INTO app.t VALUES (2)").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!held.is_finished());
    let position: Vec<String> = primary.query("SELECT @@gtid_binlog_pos").await;
    assert_eq!(position, [frozen.position().to_string()]);
    timed("thaw", frozen.thaw(LIMIT)).await.unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(primary.rows().await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_freeze_thaws_it() {
    let cluster = Cluster::of(2).await;
    let frozen = freeze(&cluster.nodes[0].connector, LIMIT).await.unwrap();
    drop(frozen);
    timed(
        "dropped to next commit",
        cluster.nodes[0].app().await.query_drop("INSERT INTO app.t VALUES (1)"),
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_behind_an_unacknowledged_commit_gives_up_and_frees_the_others() {
    let mut cluster = Cluster::of(2).await;
    stop_receiving(cluster.nodes[1].session(), LIMIT).await.unwrap();
    let waiting = cluster.unacknowledged(1).await;
    let error = timed(
        "give up a freeze of 300 ms",
        freeze(&cluster.nodes[0].connector, Duration::from_millis(300)),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, ActError::NotFrozen { .. }), "{error:?}");
    // The waiter was not touched: it is confirmed when its replica is back, and so is everybody after it.
    assert!(!waiting.is_finished());
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("START SLAVE IO_THREAD")
        .await
        .unwrap();
    waiting.await.unwrap().unwrap();
    cluster.nodes[0]
        .app()
        .await
        .query_drop("INSERT INTO app.t VALUES (2)")
        .await
        .unwrap();
    assert_eq!(cluster.nodes[0].facts().await.semi_sync.no_tx, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_write_and_hang_where_they_should() {
    let mut cluster = Cluster::of(2).await;
    let probe = |cluster: &Cluster, node: usize, target| WriteProbe::new(cluster.nodes[node].connector.clone(), target);
    let mut disk = probe(&cluster, 0, Target::Disk);
    let mut replica_disk = probe(&cluster, 1, Target::Disk);
    let mut commit = probe(&cluster, 0, Target::CommitPath { epoch: 1 });
    for beat in 1..=3 {
        assert!(matches!(
            timed("disk probe", disk.beat(beat, LIMIT)).await,
            Beat::Written
        ));
        assert!(matches!(replica_disk.beat(beat, LIMIT).await, Beat::Written));
        assert!(matches!(
            timed("commit-path probe", commit.beat(beat, LIMIT)).await,
            Beat::Written
        ));
    }
    let facts = cluster.nodes[0].facts().await;
    cluster.nodes[1].caught_up(&facts).await;
    assert_eq!(
        newest_heartbeat(cluster.nodes[1].session(), LIMIT).await.unwrap(),
        Some((1, 3))
    );

    stop_receiving(cluster.nodes[1].session(), LIMIT).await.unwrap();
    let short = Duration::from_millis(200);
    assert!(matches!(commit.beat(4, short).await, Beat::Hanging));
    assert!(matches!(commit.beat(5, short).await, Beat::Hanging));
    // The disk is fine meanwhile, and two hanging beats are one waiting commit.
    assert!(matches!(disk.beat(4, LIMIT).await, Beat::Written));
    assert_eq!(cluster.nodes[0].facts().await.semi_sync.wait_sessions, 1);
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("START SLAVE IO_THREAD")
        .await
        .unwrap();
    assert!(matches!(commit.beat(6, LIMIT).await, Beat::Written));
}
