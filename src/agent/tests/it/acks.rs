use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use quorate_model::AgentReport;
use tokio_util::task::TaskTracker;

use crate::support::{Cluster, facts, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_ack_set_acknowledges_and_joining_it_acknowledges_what_was_received() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    cluster.serve("m1", 1, &[]).await;
    let alone = |report: &AgentReport| report.ackable.is_empty().then_some(());
    timed(
        "m1: Serve without m2 → reported as cut",
        cluster.supervisor.until("m1", "cut", alone),
    )
    .await;

    let port = cluster.port("m1", 1).await;
    let mut client = port.app().await.unwrap();
    let write = TaskTracker::new().spawn(async move { client.query_drop("INSERT INTO app.t VALUES (1)").await });
    let waits = |report: &AgentReport| facts(report).filter(|facts| facts.waiting_commits > 0);
    cluster.supervisor.until("m1", "the commit waits", waits).await;
    cluster.until_rows("m2", &[1]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        !write.is_finished(),
        "m2 holds the row, but its acknowledgement does not count"
    );
    assert!(cluster.rows("m1").await.is_empty(), "and nobody sees it");

    cluster.serve("m1", 1, &["m2"]).await;
    timed("m1: Serve with m2 → the commit completes", write)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cluster.rows("m1").await, [1]);
    assert_eq!(
        facts(&cluster.supervisor.last("m1").unwrap())
            .unwrap()
            .unprotected_commits,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_is_ready_only_when_the_ack_set_has_the_epoch_row() {
    let cluster = Cluster::gated(&["m1", "m2"]).await;
    cluster.promote("m1", 1, &["m9"], &quorate_model::GtidSet::new()).await;
    cluster.follow("m2", 1, "m1").await;
    cluster.attached("m2").await;
    let waits = |report: &AgentReport| facts(report).filter(|facts| facts.waiting_commits > 0);
    cluster.supervisor.until("m1", "the epoch row waits", waits).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(matches!(
        cluster.supervisor.last("m1").unwrap().progress,
        quorate_model::Progress::Busy { .. }
    ));
    cluster
        .elect("m1", 1, &[], &["m2"], &quorate_model::GtidSet::new())
        .await;
}
