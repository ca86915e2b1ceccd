//! The protocol's steps by hand: acknowledged writes, revocation, promotion, truncation, rejoin.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use quorate_mariadb::act::{ActError, Events, arm, drain, open_writes, salvage, stop_receiving};
use quorate_mariadb::parse::groups::binlog_end;
use quorate_model::{GtidSet, IoThread};

use tokio_util::task::TaskTracker;

use crate::support::{Cluster, LIMIT, Node, Relay, timed, until};

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_acknowledged_and_reach_everybody() {
    let mut cluster = Cluster::of(3).await;
    let mut app = cluster.nodes[0].app().await;
    timed(
        "one acknowledged insert",
        app.query_drop("INSERT INTO app.t VALUES (1)"),
    )
    .await
    .unwrap();
    let facts = cluster.nodes[0].facts().await;
    assert_eq!((facts.semi_sync.clients, facts.semi_sync.no_tx), (2, 0));
    assert!(facts.semi_sync.yes_tx > 0);
    for node in &mut cluster.nodes[1..] {
        node.caught_up(&facts).await;
        assert_eq!(node.rows().await, [1]);
        let replication = node.facts().await.replication.unwrap();
        assert_eq!((replication.io, replication.source_server_id), (IoThread::Yes, 1));
    }
    // Behind the gate even the human administrator cannot write.
    assert!(
        cluster.nodes[1]
            .admin()
            .await
            .query_drop("INSERT INTO app.t VALUES (2)")
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_a_replica_is_there() {
    let mut node = Node::started("m1", 1).await;
    arm(node.session(), LIMIT).await.unwrap();
    let error = node.epoch_row(1, Duration::from_millis(300)).await.unwrap_err();
    assert!(
        matches!(&error, ActError::Sql(cause) if cause.is_timeout()),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_stay_closed_without_semi_sync() {
    let mut node = Node::started("m1", 1).await;
    let error = open_writes(node.session(), Events::Off, LIMIT).await.unwrap_err();
    assert!(matches!(error, ActError::NotArmed { .. }));
    assert!(node.facts().await.read_only);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_whose_replicas_are_revoked_acknowledges_nothing_and_rejoins_without_the_row() {
    let mut cluster = Cluster::of(3).await;
    cluster.nodes[0]
        .app()
        .await
        .query_drop("INSERT INTO app.t VALUES (1)")
        .await
        .unwrap();
    // One acknowledgement is enough for the client; the one to be promoted must hold what any of them received.
    let facts = cluster.nodes[0].facts().await;
    let mut received = Vec::new();
    for node in &mut cluster.nodes[1..] {
        node.caught_up(&facts).await;
        let stopped = timed(&format!("{}: revoke", node.name), stop_receiving(node.session(), LIMIT))
            .await
            .unwrap();
        assert_eq!(node.facts().await.replication.unwrap().io, IoThread::No);
        received.push(stopped.received);
    }
    let waiting = cluster.unacknowledged(2).await;
    assert!(!waiting.is_finished());

    // m2 takes over while the old primary is still alive and waiting.
    let Cluster { mut nodes, relays } = cluster;
    let to_m2 = Relay::to(nodes[1].layout.socket()).await;
    timed("m2: drain", drain(nodes[1].session(), &received[0], LIMIT))
        .await
        .unwrap();
    nodes[2].follow(&to_m2).await;
    nodes[1].promote(2).await;
    nodes[1].open().await;
    timed(
        "m2: first acknowledged insert",
        nodes[1].app().await.query_drop("INSERT INTO app.t VALUES (3)"),
    )
    .await
    .unwrap();
    assert!(!waiting.is_finished());
    drop(relays);

    // The old one is fenced; its binlog still has the row that nobody acknowledged.
    let before = nodes[0].facts().await.binlog_pos;
    nodes[0].kill().await;
    assert!(waiting.await.unwrap().is_err());
    let end = binlog_end(&nodes[0].layout.binlog_index()).unwrap();
    assert!(end.covers(&before) && !received[0].covers(&end), "{end} {before}");
    nodes[0].start().await;
    assert_eq!(nodes[0].rows().await, [1]);
    assert_eq!(nodes[0].facts().await.binlog_pos, received[0]);
    nodes[0].follow(&to_m2).await;
    let facts = nodes[1].facts().await;
    timed("m1: caught up after rejoin", nodes[0].caught_up(&facts)).await;
    for node in &nodes {
        assert_eq!(node.rows().await, [1, 3], "{}", node.name);
    }
    assert_eq!(nodes[1].facts().await.semi_sync.clients, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_neither_deleted_nor_promoted_over() {
    let mut cluster = Cluster::of(2).await;
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("STOP SLAVE SQL_THREAD")
        .await
        .unwrap();
    cluster.nodes[0]
        .app()
        .await
        .query_drop("INSERT INTO app.t VALUES (1)")
        .await
        .unwrap();
    let stopped = stop_receiving(cluster.nodes[1].session(), LIMIT).await.unwrap();
    assert!(!stopped.applier && !stopped.applied.covers(&stopped.received));
    let error = arm(cluster.nodes[1].session(), LIMIT).await.unwrap_err();
    assert!(matches!(error, ActError::Unapplied { .. }), "{error}");
    let error = drain(cluster.nodes[1].session(), &stopped.received, LIMIT)
        .await
        .unwrap_err();
    assert!(matches!(error, ActError::ApplierStopped { .. }), "{error}");
    // Nothing was lost by trying. (Starting the applier by GTID now would delete the relay logs: both threads are stopped.)
    let done = salvage(cluster.nodes[1].session(), LIMIT).await.unwrap();
    assert_eq!((done.applied, done.received), (1, stopped.received.clone()));
    drain(cluster.nodes[1].session(), &stopped.received, LIMIT)
        .await
        .unwrap();
    assert_eq!(cluster.nodes[1].rows().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_wrote_has_an_empty_binlog() {
    let mut node = Node::started("m1", 1).await;
    node.kill().await;
    assert_eq!(binlog_end(&node.layout.binlog_index()).unwrap(), GtidSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_is_bounded_whatever_became_of_the_primary() {
    let mut cluster = Cluster::of(3).await;
    // The tunnel is cut first, as an agent does: nobody listens on the port any more.
    cluster.relays.remove(0);
    let m2 = &mut cluster.nodes[1];
    timed("m2: revoke behind a cut tunnel", stop_receiving(m2.session(), LIMIT))
        .await
        .unwrap();
    // The primary is frozen and the tunnel still open: the worst case.
    let pid = cluster.nodes[0].server.as_ref().unwrap().pid().to_string();
    let signal = |name: &str| {
        let kill = std::process::Command::new("kill").args([name, &pid]).status();
        assert!(kill.unwrap().success());
    };
    signal("-STOP");
    let stopped = timed(
        "m3: revoke from a frozen primary",
        stop_receiving(cluster.nodes[2].session(), LIMIT),
    )
    .await;
    signal("-CONT");
    assert!(stopped.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_truncate_says_so() {
    let mut cluster = Cluster::of(2).await;
    let mut app = cluster.nodes[0].app().await;
    app.query_drop("CREATE TABLE app.m (id INT) ENGINE=MyISAM")
        .await
        .unwrap();
    let facts = cluster.nodes[0].facts().await;
    cluster.nodes[1].caught_up(&facts).await;
    stop_receiving(cluster.nodes[1].session(), LIMIT).await.unwrap();
    let first = cluster.unacknowledged(1).await;
    // What a non-transactional table holds cannot be taken back.
    let second = TaskTracker::new().spawn(async move { app.query_drop("INSERT INTO app.m VALUES (1)").await });
    // The second is in the binlog behind the first; it is not even counted as waiting for its acknowledgement yet.
    let expected = facts.binlog_pos.seq(0).unwrap() + 2;
    let node = &cluster.nodes[0];
    until("both are logged", || async {
        let rows: Vec<String> = node.query("SELECT @@gtid_binlog_pos").await;
        rows[0].ends_with(&format!("-{expected}"))
    })
    .await;
    cluster.nodes[0].kill().await;
    assert!(first.await.unwrap().is_err() && second.await.unwrap().is_err());
    let error = cluster.nodes[0].try_start().await.unwrap_err();
    println!("{error}");
    assert!(error.cannot_truncate(), "{error}");
}
