//! The read-only port: replicas in turn, the next one if a door fails, the primary if none is left.

use std::collections::BTreeSet;

use tokio::net::TcpListener;

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{World, connect, endpoint, greeting, table};

#[tokio::test]
async fn readers_spread_over_the_replicas() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let m2 = Door::echo(&world, "m2", Admits::Readers(1)).await;
    let m3 = Door::echo(&world, "m3", Admits::Readers(1)).await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(1, 5, Some(&m1), &[&m2, &m3]));
    let (mut one, mut two) = (connect(router.ro).await, connect(router.ro).await);
    let names = BTreeSet::from([greeting(&mut one).await, greeting(&mut two).await]);
    assert_eq!(names, BTreeSet::from(["m2".to_owned(), "m3".to_owned()]));
    assert_eq!(m1.knocks(), 0);
}

#[tokio::test]
async fn a_failing_replica_is_passed_over() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let m2 = Door::echo(&world, "m2", Admits::Nobody).await;
    let vacated = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let router = world.router(&[&supervisor]).await;
    let mut routes = table(1, 5, Some(&m1), &[&m2]);
    routes.readable.insert(0, endpoint("m3", vacated));
    supervisor.push(routes);
    for _ in 0..3 {
        assert_eq!(greeting(&mut connect(router.ro).await).await, "m1");
    }
    m2.admit(Admits::Readers(1));
    let mut again = String::new();
    // It is tried last for a moment after it failed.
    while again != "m2" {
        again = greeting(&mut connect(router.ro).await).await;
    }
}

#[tokio::test]
async fn replicas_can_be_read_while_no_primary_is_open() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m2 = Door::echo(&world, "m2", Admits::Readers(3)).await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(3, 5, None, &[&m2]));
    assert_eq!(greeting(&mut connect(router.ro).await).await, "m2");
}
