//! Scenario 49 of the catalogue, seen from outside: what the router knows of a real replica.

use std::time::Duration;

use quorate_router::ServiceAccount;
use tokio::task::spawn_blocking;

use crate::door::{Admits, Door};
use crate::limits::get;
use crate::pair::{ACCOUNT, Pair};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, table, write_file};

/// Waits until so many replicas are in this state.
async fn replicas(router: &Running, state: &str, count: u32) {
    let wanted = format!("quorate_router_replicas{{state=\"{state}\"}} {count}");
    let mut last = String::new();
    for _ in 0..300 {
        last = get(router, "/metrics").await;
        if last.contains(&wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen: Vec<_> = last
        .lines()
        .filter(|line| line.contains("replica") && !line.starts_with('#'))
        .collect();
    panic!("never `{wanted}`: {seen:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_fit_falls_behind_catches_up_dies_and_returns() {
    let world = World::new();
    let dir = world.path("servers");
    std::fs::create_dir(&dir).unwrap();
    let mut pair = spawn_blocking(move || Pair::start(&dir)).await.unwrap();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::server(&world, "m1", Admits::Everyone(1), pair.primary.socket()).await;
    let m2 = Door::server(&world, "m2", Admits::Readers(1), pair.replica.socket()).await;
    let mut config = world.config(&[&supervisor]);
    write_file(&world.path("secrets/router"), ACCOUNT.1);
    config.service = Some(ServiceAccount {
        user: ACCOUNT.0.to_owned(),
        password_file: world.path("secrets/router"),
        refresh_ms: 60_000,
    });
    config.reads.max_lag_ms = 1500;
    let router = Running::start(config).await;
    supervisor.push(table(1, 5, Some(&m1), &[&m2]));
    replicas(&router, "fit", 1).await;

    // Nobody falls behind a primary that writes nothing, and everybody behind one that does.
    pair.replica.sql("STOP SLAVE SQL_THREAD");
    replicas(&router, "fit", 1).await;
    pair.primary.sql("INSERT INTO quorate.t VALUES (1)");
    replicas(&router, "lagging", 1).await;
    pair.replica.sql("START SLAVE");
    replicas(&router, "fit", 1).await;

    pair.replica.kill();
    replicas(&router, "fit", 0).await;
    let mut replica = pair.replica;
    let replica = spawn_blocking(move || {
        replica.restart();
        replica
    })
    .await
    .unwrap();
    replicas(&router, "fit", 1).await;

    // With less than it had it is another server, whatever it is called.
    replica.sql("STOP SLAVE; SET GLOBAL gtid_slave_pos=''");
    for _ in 0..300 {
        let metrics = get(&router, "/metrics").await;
        if metrics.contains("quorate_router_monitor_failures_total{cause=\"went_back\"} 1") {
            router.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody noticed that the position went back");
}
