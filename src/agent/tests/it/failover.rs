use mysql_async::prelude::Queryable as _;
use quorate_model::{AgentReport, DoorState, Epoch, Progress, ServerState, Task};
use tokio::time::Instant;

use crate::support::{Cluster, facts, kill, timed};

/// SIGKILL of the primary's server to the first acknowledged write on the next one, with nobody deciding in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_is_replaced_and_comes_back_as_a_replica() {
    let cluster = Cluster::open(&["m1", "m2", "m3"]).await;
    let mut app = cluster.port("m1", 1).await;
    let mut client = app.app().await.unwrap();
    for id in 1..=20_u64 {
        client
            .query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
    }
    let killed = Instant::now();
    let mark = |what: &str| {
        println!(
            "{:>9.1} ms  after the kill: {what}",
            killed.elapsed().as_secs_f64() * 1e3
        );
    };
    let boot = cluster.supervisor.last("m1").unwrap().boot_nonce;
    kill(cluster.pid("m1"));
    // A level, not an edge: a slow reader may find it started again.
    let died = |report: &AgentReport| {
        (report.boot_nonce > boot || matches!(report.server, ServerState::Down { .. })).then_some(())
    };
    cluster.supervisor.until("m1", "died", died).await;
    mark("death reported");
    cluster.supervisor.no_lease();
    for node in ["m2", "m3"] {
        cluster.supervisor.order(node, 2, Task::Revoke).await;
    }
    let (m2, m3) = tokio::join!(cluster.revoked("m2", 2), cluster.revoked("m3", 2));
    mark("both revoked");
    let (winner, other, required) = if m2.received.covers(&m3.received) {
        ("m2", "m3", m2.received)
    } else {
        ("m3", "m2", m3.received)
    };
    cluster.elect(winner, 2, &[other], &[other], &required).await;
    mark("ready");
    cluster.open_under(winner, 2, &[other]).await;
    mark("open");
    app = cluster.port(winner, 2).await;
    client = app.app().await.unwrap();
    mark("client connected");
    client.query_drop("INSERT INTO app.t VALUES (21)").await.unwrap();
    mark("first acknowledged write");

    let wanted: Vec<u64> = (1..=21).collect();
    cluster.follow("m1", 2, winner).await;
    timed("m1: Follow ordered → all rows there", cluster.until_rows("m1", &wanted)).await;
    cluster.until_rows("m2", &wanted).await;
    cluster.until_rows("m3", &wanted).await;
    let report = cluster.supervisor.last("m1").unwrap();
    assert!(
        matches!(report.progress, Progress::Following { epoch: Epoch(2), .. }),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_living_primary_is_fenced_by_death_and_its_clients_are_cut() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    let port = cluster.port("m1", 1).await;
    let mut client = port.app().await.unwrap();
    let boot = cluster.supervisor.last("m1").unwrap().boot_nonce;
    cluster.supervisor.order("m1", 2, Task::Revoke).await;
    let fenced = |report: &AgentReport| (report.fenced == Epoch(2)).then_some(report.clone());
    let report = timed(
        "m1: Revoke ordered → fenced",
        cluster.supervisor.until("m1", "fenced", fenced),
    )
    .await;
    assert_eq!(report.door, DoorState::Closed);
    assert!(client.query_drop("SELECT 1").await.is_err());
    let facts = timed("m1: fenced → Revoked behind the gate", cluster.revoked("m1", 2)).await;
    assert!(facts.read_only && !facts.semi_sync_armed);
    assert!(cluster.supervisor.last("m1").unwrap().boot_nonce > boot);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_handover_reopens_under_the_new_epoch() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    let limit = std::time::Duration::from_millis(500);
    cluster.supervisor.order("m1", 2, Task::Freeze { limit }).await;
    let frozen = |report: &AgentReport| match &report.progress {
        Progress::Frozen { position, .. } => Some(position.clone()),
        _ => None,
    };
    let position = cluster.supervisor.until("m1", "frozen", frozen).await;
    let boot = cluster.supervisor.last("m1").unwrap().boot_nonce;
    cluster.elect("m1", 2, &["m2"], &["m2"], &position).await;
    cluster.open_under("m1", 2, &["m2"]).await;
    let mut client = cluster.port("m1", 2).await.app().await.unwrap();
    client.query_drop("INSERT INTO app.t VALUES (1)").await.unwrap();
    let report = cluster.supervisor.last("m1").unwrap();
    assert_eq!(report.boot_nonce, boot, "the same server goes on");
    assert!(facts(&report).is_some_and(|facts| facts.semi_sync_armed));
    cluster.until_rows("m2", &[1]).await;
}
