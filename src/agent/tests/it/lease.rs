use mysql_async::prelude::Queryable as _;
use quorate_model::{AgentReport, DoorState, Epoch, LeaseKind, Progress, Task};

use crate::support::{Cluster, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_authority_clients_are_put_out_and_replication_goes_on() {
    let mut cluster = Cluster::open(&["m1", "m2"]).await;
    let port = cluster.port("m1", 1).await;
    let mut client = port.app().await.unwrap();
    // The only member of the ack set is gone, so nobody can give a failsafe lease.
    cluster.ask_to_stop("m2");
    cluster.stopped("m2").await.unwrap();
    cluster.supervisor.no_lease();
    let closed =
        |report: &AgentReport| (report.door == DoorState::Replicas { epoch: Epoch(1) }).then_some(report.lease);
    let lease = timed(
        "m1: last lease → clients put out",
        cluster.supervisor.until("m1", "closed", closed),
    )
    .await;
    assert_eq!(lease, LeaseKind::None);
    assert!(client.query_drop("SELECT 1").await.is_err());
    cluster.supervisor.lease("m1", 1);
    let open = |report: &AgentReport| (report.door == DoorState::Open { epoch: Epoch(1) }).then_some(());
    cluster.supervisor.until("m1", "open again", open).await;
    port.app().await.unwrap().query_drop("SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_keeps_the_door_open_and_then_delays_its_revocation() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    let port = cluster.port("m1", 1).await;
    let mut client = port.app().await.unwrap();
    cluster.supervisor.no_lease();
    let failsafe = |report: &AgentReport| (report.lease == LeaseKind::Failsafe).then_some(());
    timed(
        "m1: last lease → failsafe lease",
        cluster.supervisor.until("m1", "failsafe", failsafe),
    )
    .await;
    for id in 1..=30_u64 {
        client
            .query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(
        cluster.supervisor.last("m1").unwrap().door,
        DoorState::Open { epoch: Epoch(1) }
    );

    cluster.supervisor.order("m2", 2, Task::Revoke).await;
    let busy = |report: &AgentReport| {
        matches!(&report.progress, Progress::Busy { epoch: Epoch(2), doing } if doing.contains("failsafe"))
            .then_some(())
    };
    cluster
        .supervisor
        .until("m2", "waits for the end of its grant", busy)
        .await;
    let revoked = timed(
        "m2: Revoke ordered → confirmed after the grant",
        cluster.revoked("m2", 2),
    )
    .await;
    let primary = cluster.supervisor.last("m1").unwrap();
    assert_eq!(
        primary.door,
        DoorState::Replicas { epoch: Epoch(1) },
        "out before the grantor confirms"
    );
    assert_eq!(revoked.io, quorate_model::IoThread::No);
    assert!(client.query_drop("SELECT 1").await.is_err());
}
