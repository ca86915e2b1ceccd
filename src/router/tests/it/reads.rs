//! The read-only port: replicas in turn, the next one if a door fails, the primary if none is left.

use std::collections::BTreeSet;

use quorate_router::{ProxyProtocol, ReadPrimary};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, connect, endpoint, greeting, refusal, soon, table};

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

#[tokio::test]
async fn readers_are_kept_from_the_primary_if_the_setting_says_so() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let m2 = Door::echo(&world, "m2", Admits::Nobody).await;
    let mut config = world.config(&[&supervisor]);
    config.reads.primary = ReadPrimary::Never;
    config.limits.hold_wait_ms = 300;
    let router = Running::start(config).await;
    supervisor.push(table(1, 5, Some(&m1), &[&m2]));
    let (code, text) = refusal(&mut connect(router.ro).await).await;
    assert_eq!(code, 1053, "{text}");
    assert!(text.contains("`reads.primary` is `never`"), "{text}");
    assert_eq!(m1.knocks(), 0);
    // Alone, the primary is all that there is to read.
    supervisor.push(table(1, 6, Some(&m1), &[]));
    assert_eq!(greeting(&mut connect(router.ro).await).await, "m1");
}

#[tokio::test]
async fn a_header_says_who_a_reader_is_and_the_server_hears_it() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m2 = Door::echo(&world, "m2", Admits::Readers(1)).await;
    let mut config = world.config(&[&supervisor]);
    config.listen.proxy_from = vec!["127.0.0.0/8".to_owned()];
    config.server.proxy_protocol = ProxyProtocol::V1;
    let router = Running::start(config).await;
    supervisor.push(table(1, 5, None, &[&m2]));
    let mut client = connect(router.ro).await;
    client
        .write_all(b"PROXY TCP4 10.1.2.3 127.0.0.1 4711 3307\r\nhello")
        .await
        .unwrap();
    let port = router.ro.port();
    let expected = format!("m2PROXY TCP4 10.1.2.3 127.0.0.1 4711 {port}\r\nhello");
    let mut heard = vec![0; expected.len()];
    soon("what the server heard", client.read_exact(&mut heard))
        .await
        .unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
    // Without one, nobody from there is served.
    let mut silent = connect(router.ro).await;
    silent
        .write_all(b"no header at all, but long enough\r\n")
        .await
        .unwrap();
    let mut nothing = Vec::new();
    let _reset_or_closed = silent.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty(), "{nothing:?}");
}
