//! A connection follows the epoch that it was opened under, and nothing else.

use quorate_model::Epoch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, connect, greeting, rest, soon, table};

#[tokio::test]
async fn connections_are_cut_with_their_epoch_and_new_ones_wait_for_the_next() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let m2 = Door::echo(&world, "m2", Admits::Everyone(2)).await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(1, 5, Some(&m1), &[]));

    let mut client = connect(router.rw).await;
    assert_eq!(greeting(&mut client).await, "m1");
    client.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    soon("an echo", client.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"ping");
    supervisor.report(|report| report.connections == 1).await;

    supervisor.push(table(2, 6, None, &[]));
    assert_eq!(rest(&mut client).await, b"");
    let mut held = connect(router.rw).await;
    let report = supervisor.report(|report| report.held == 1).await;
    assert_eq!((report.confirmed, report.index), (Epoch(2), 6));

    supervisor.push(table(2, 8, Some(&m2), &[]));
    assert_eq!(greeting(&mut held).await, "m2");
    router.stop().await;
}

#[tokio::test]
async fn an_epoch_is_confirmed_only_when_every_older_connection_is_closed() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(1, 5, Some(&m1), &[&m1]));
    let mut clients = Vec::new();
    for at in 0..40 {
        let mut client = connect(if at % 2 == 0 { router.rw } else { router.ro }).await;
        assert_eq!(greeting(&mut client).await, "m1");
        clients.push(client);
    }
    assert_eq!(supervisor.confirmed(1).await.confirmed, Epoch(1));
    assert!(!m1.all_closed());
    supervisor.push(table(2, 6, None, &[]));
    supervisor.confirmed(2).await;
    assert!(m1.all_closed());
}

#[tokio::test]
async fn an_epoch_is_not_confirmed_before_it_is_on_disk_but_followed_at_once() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(2)).await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(1, 5, None, &[]));
    supervisor.confirmed(1).await;

    std::fs::remove_dir_all(world.path("state")).unwrap();
    supervisor.push(table(2, 8, Some(&m1), &[]));
    assert_eq!(greeting(&mut connect(router.rw).await).await, "m1");
    let report = supervisor.report(|report| report.index == 8).await;
    assert_eq!(report.confirmed, Epoch(1));

    std::fs::create_dir(world.path("state")).unwrap();
    supervisor.confirmed(2).await;
}

#[tokio::test]
async fn serves_from_disk_with_no_supervisor_and_never_goes_back() {
    let world = World::new();
    let m1 = Door::echo(&world, "m1", Admits::Everyone(4)).await;
    let m2 = Door::echo(&world, "m2", Admits::Everyone(3)).await;
    let first = Supervisor::start(&world, "s1").await;
    let router = world.router(&[&first]).await;
    first.push(table(4, 9, Some(&m1), &[]));
    first.confirmed(4).await;
    let mut client = connect(router.rw).await;
    assert_eq!(greeting(&mut client).await, "m1");

    drop(first);
    client.write_all(b"ping").await.unwrap();
    soon("an echo", client.read_exact(&mut [0; 4])).await.unwrap();
    router.stop().await;

    let router = world.router(&[]).await;
    assert_eq!(greeting(&mut connect(router.rw).await).await, "m1");
    router.stop().await;

    let late = Supervisor::start(&world, "s1").await;
    let router = world.router(&[&late]).await;
    late.push(table(3, 99, Some(&m2), &[]));
    let report = late.report(|_| true).await;
    assert_eq!((report.confirmed, report.index), (Epoch(4), 9));
    assert_eq!(greeting(&mut connect(router.rw).await).await, "m1");
    assert_eq!(m2.knocks(), 0);
}

#[tokio::test]
async fn a_door_that_is_not_open_yet_is_tried_until_it_is() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Nobody).await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(7, 20, Some(&m1), &[]));
    let mut client = connect(router.rw).await;
    m1.knocked(3).await;
    m1.admit(Admits::Everyone(6));
    m1.knocked(m1.knocks() + 3).await;
    m1.admit(Admits::Everyone(7));
    assert_eq!(greeting(&mut client).await, "m1");
}

#[tokio::test]
async fn any_supervisor_can_lead_it_on() {
    let world = World::new();
    let (one, two) = (
        Supervisor::start(&world, "s1").await,
        Supervisor::start(&world, "s2").await,
    );
    let m1 = Door::echo(&world, "m1", Admits::Everyone(2)).await;
    let router = world.router(&[&one, &two]).await;
    one.push(table(1, 5, None, &[]));
    two.confirmed(1).await;
    drop(one);
    two.push(table(2, 8, Some(&m1), &[]));
    assert_eq!(greeting(&mut connect(router.rw).await).await, "m1");
    two.confirmed(2).await;
    assert_eq!(two.last().map(|report| report.index), Some(8));
    router.stop().await;
}

#[tokio::test]
async fn a_stopping_router_lets_its_clients_finish_for_a_while() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let mut config = world.config(&[&supervisor]);
    config.limits.drain_ms = 60_000;
    let router = Running::start(config).await;
    supervisor.push(table(1, 5, Some(&m1), &[]));
    let mut client = connect(router.rw).await;
    assert_eq!(greeting(&mut client).await, "m1");
    router.ask_to_stop();
    client.write_all(b"ping").await.unwrap();
    soon("an echo", client.read_exact(&mut [0; 4])).await.unwrap();
    drop(client);
    router.stopped().await;
}
