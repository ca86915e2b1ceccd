use quorate_model::{DoorState, Epoch, Progress, ServerState, Task};

use crate::support::{Cluster, LIMIT, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_directory_becomes_a_server_behind_the_gate() {
    let cluster = Cluster::gated(&["m1"]).await;
    let report = cluster.supervisor.last("m1").unwrap();
    assert!(report.pristine && report.vouch, "{report:?}");
    assert_eq!(report.progress, Progress::Idle);
    assert_eq!(report.door, DoorState::Closed);
    assert_eq!(report.boot_nonce, 1);
    let ServerState::Running { facts, .. } = report.server else {
        panic!("not running")
    };
    assert!(facts.read_only && !facts.semi_sync_armed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_comes_back_by_itself_and_vouches_after_its_salvage() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    let boot = cluster.supervisor.last("m2").unwrap().boot_nonce;
    crate::support::kill(cluster.pid("m2"));
    // A level, not an edge: a slow reader may find it started again.
    let died = |report: &quorate_model::AgentReport| {
        (report.boot_nonce > boot || matches!(report.server, ServerState::Down { .. })).then_some(())
    };
    timed(
        "m2: SIGKILL of the server → death reported",
        cluster.supervisor.until("m2", "died", died),
    )
    .await;
    let back = |report: &quorate_model::AgentReport| {
        let follows = matches!(report.progress, Progress::Following { epoch: Epoch(1), .. });
        (report.boot_nonce > boot && report.vouch && follows).then_some(())
    };
    timed(
        "m2: death → following again",
        cluster.supervisor.until("m2", "follows again", back),
    )
    .await;
    cluster.attached("m2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promise_outlives_the_agent() {
    let mut cluster = Cluster::gated(&["m1"]).await;
    cluster.supervisor.order("m1", 5, Task::Revoke).await;
    timed("m1: Revoke ordered → Revoked reported", cluster.revoked("m1", 5)).await;
    cluster.ask_to_stop("m1");
    timed("m1: asked to stop → ended", cluster.stopped("m1")).await.unwrap();
    let boot = cluster.supervisor.last("m1").unwrap().boot_nonce;
    let config = cluster.agents["m1"].config.clone();
    cluster.start(config);
    let again =
        |report: &quorate_model::AgentReport| (report.boot_nonce > boot && report.vouch).then_some(report.clone());
    let report = cluster.supervisor.until("m1", "back", again).await;
    assert_eq!(report.promised, Epoch(5));
    cluster.follow("m1", 4, "m1").await;
    cluster.supervisor.order("m1", 5, Task::Revoke).await;
    cluster.revoked("m1", 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_asked_to_stop_hands_over_first() {
    let mut cluster = Cluster::open(&["m1", "m2", "m3"]).await;
    cluster.ask_to_stop("m1");
    cluster
        .supervisor
        .until("m1", "wants a handover", |report| report.wants_handover.then_some(()))
        .await;
    let limit = std::time::Duration::from_millis(500);
    cluster.supervisor.order("m1", 2, Task::Freeze { limit }).await;
    let frozen = |report: &quorate_model::AgentReport| match &report.progress {
        Progress::Frozen {
            epoch: Epoch(2),
            position,
        } => Some(position.clone()),
        _ => None,
    };
    let position = timed(
        "m1: Freeze ordered → Frozen reported",
        cluster.supervisor.until("m1", "frozen", frozen),
    )
    .await;
    let reached = |report: &quorate_model::AgentReport| {
        crate::support::facts(report).filter(|facts| facts.received.covers(&position))
    };
    timed(
        "m2: has what was frozen",
        cluster.supervisor.until("m2", "caught up", reached),
    )
    .await;
    cluster.promote("m2", 2, &["m3"], &position).await;
    cluster.follow("m1", 2, "m2").await;
    cluster.follow("m3", 2, "m2").await;
    cluster
        .supervisor
        .until("m1", "fenced", |report| (report.fenced == Epoch(2)).then_some(()))
        .await;
    tokio::time::timeout(LIMIT, cluster.stopped("m1"))
        .await
        .unwrap()
        .unwrap();
    let ready = |report: &quorate_model::AgentReport| matches!(report.progress, Progress::Ready { .. }).then_some(());
    cluster.supervisor.until("m2", "ready", ready).await;
    cluster.open_under("m2", 2, &["m3"]).await;
}
