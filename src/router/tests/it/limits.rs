//! What a client is told when a limit is reached, and that nobody is forgotten in the waiting room.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, connect, greeting, refusal, soon, table};

#[tokio::test]
async fn a_wait_that_is_too_long_ends_with_the_reason() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let mut config = world.config(&[&supervisor]);
    config.limits.hold_wait_ms = 50;
    let router = Running::start(config).await;
    let (code, text) = refusal(&mut connect(router.rw).await).await;
    assert_eq!(code, 1053);
    assert!(
        text.starts_with("#08S01quorate router r1: no supervisor has sent a route table"),
        "{text}"
    );

    supervisor.push(table(4, 9, None, &[]));
    supervisor.confirmed(4).await;
    let (_, text) = refusal(&mut connect(router.ro).await).await;
    assert!(text.contains("no primary is open (epoch 4 since "), "{text}");

    let m1 = Door::echo(&world, "m1", Admits::Nobody).await;
    supervisor.push(table(4, 11, Some(&m1), &[]));
    m1.knocked(0).await;
    supervisor.report(|report| report.index == 11).await;
    let (_, text) = refusal(&mut connect(router.rw).await).await;
    assert!(
        text.contains("m1 leads epoch 4, but door") && text.contains("Nobody"),
        "{text}"
    );
}

#[tokio::test]
async fn too_many_connections_and_too_many_waiting_are_told_apart() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let mut config = world.config(&[&supervisor]);
    config.limits.max_connections = 2;
    config.limits.hold_max = 1;
    let router = Running::start(config).await;

    let mut held = connect(router.rw).await;
    supervisor.report(|report| report.held == 1).await;
    let (code, text) = refusal(&mut connect(router.rw).await).await;
    assert!(code == 1040 && text.contains("`hold_max`"), "{code} {text}");

    supervisor.push(table(1, 5, Some(&m1), &[]));
    assert_eq!(greeting(&mut held).await, "m1");
    let mut second = connect(router.rw).await;
    assert_eq!(greeting(&mut second).await, "m1");
    let (code, text) = refusal(&mut connect(router.ro).await).await;
    assert!(code == 1040 && text.contains("`max_connections`"), "{code} {text}");
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_frees_its_place() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let router = world.router(&[&supervisor]).await;
    let held = connect(router.rw).await;
    supervisor.report(|report| report.held == 1).await;
    drop(held);
    supervisor.report(|report| report.held == 0).await;
}

#[tokio::test]
async fn those_who_wait_are_told_when_the_router_stops() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let router = world.router(&[&supervisor]).await;
    let mut held = connect(router.rw).await;
    supervisor.report(|report| report.held == 1).await;
    router.ask_to_stop();
    let (code, text) = refusal(&mut held).await;
    assert!(code == 1053 && text.contains("being stopped"), "{code} {text}");
    drop(held);
    router.stopped().await;
}

pub(crate) async fn get(router: &Running, path: &str) -> String {
    let mut client = connect(router.admin.unwrap()).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: r1\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", client.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let router = world.router(&[&supervisor]).await;
    assert!(get(&router, "/healthz").await.starts_with("HTTP/1.1 200"));
    let answer = get(&router, "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("no supervisor has sent"),
        "{answer}"
    );
    supervisor.push(table(1, 4, None, &[]));
    supervisor.confirmed(1).await;
    let answer = get(&router, "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("no primary is open"),
        "{answer}"
    );
    supervisor.push(table(1, 5, Some(&m1), &[]));
    assert_eq!(greeting(&mut connect(router.rw).await).await, "m1");
    let answer = get(&router, "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(r#""primary":"m1""#),
        "{answer}"
    );
    let answer = get(&router, "/metrics").await;
    assert!(
        answer.contains(r#"quorate_router_opened_total{listener="rw"} 1"#),
        "{answer}"
    );
    assert!(answer.contains("quorate_router_epoch 1"), "{answer}");
}
