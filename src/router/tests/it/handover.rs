//! Scenario 72 of the catalogue: another process takes over, and no client notices.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quorate_api::link;
use quorate_model::Epoch;
use quorate_router::{Config, Error, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, connect, greeting, refusal, rest, soon, table};

/// The same router's configuration, with the ports that it was given.
fn again(mut config: Config, router: &Running) -> Config {
    config.listen.rw = router.rw;
    config.listen.ro = router.ro;
    config.listen.admin = router.admin;
    config
}

/// Sends a word and reads it back.
async fn echo(client: &mut TcpStream) -> std::io::Result<()> {
    client.write_all(b"word").await?;
    let mut heard = [0; 4];
    client.read_exact(&mut heard).await?;
    assert_eq!(&heard, b"word");
    Ok(())
}

/// Connects, is greeted, talks and leaves, again and again; every failure counts.
async fn come_and_go(address: SocketAddr, on: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
    let mut failures = Vec::new();
    while on.load(Ordering::Relaxed) {
        let visit = async {
            let mut client = TcpStream::connect(address).await?;
            let mut name = [0; 2];
            client.read_exact(&mut name).await?;
            assert_eq!(&name, b"m1");
            echo(&mut client).await
        };
        match visit.await {
            Ok(()) => {
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_another_process_takes_over_under_load() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let config = world.config(&[&supervisor]);
    let mut serving = Running::start(config.clone()).await;
    let config = again(config, &serving);
    supervisor.push(table(1, 5, Some(&m1), &[]));
    supervisor.confirmed(1).await;

    let (on, done, tasks) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicU64::new(0)),
        TaskTracker::new(),
    );
    let load: Vec<_> = (0..8)
        .map(|_| tasks.spawn(come_and_go(serving.rw, on.clone(), done.clone())))
        .collect();
    for _ in 0..5 {
        let mut stays = connect(serving.rw).await;
        assert_eq!(greeting(&mut stays).await, "m1");
        let before = done.load(Ordering::Relaxed);
        let next = Running::of(Router::take_over(config.clone()).await.unwrap());
        assert_eq!((next.rw, next.ro, next.admin), (serving.rw, serving.ro, serving.admin));
        while done.load(Ordering::Relaxed) < before + 50 {
            tokio::task::yield_now().await;
        }
        // Who stayed goes on with the old one, which ends when they have left.
        soon("an answer of the old one", echo(&mut stays)).await.unwrap();
        drop(stays);
        serving.stopped().await;
        serving = next;
    }
    on.store(false, Ordering::Relaxed);
    for client in load {
        assert_eq!(client.await.unwrap(), Vec::<String>::new());
    }
    serving.stop().await;
    assert!(!world.path("state/r1.routes.handover").exists());
}

#[tokio::test]
async fn the_old_one_leaves_an_epoch_when_the_new_one_hears_of_it() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let config = world.config(&[&supervisor]);
    let old = Running::start(config.clone()).await;
    let config = again(config, &old);
    supervisor.push(table(1, 5, Some(&m1), &[]));
    let mut client = connect(old.rw).await;
    assert_eq!(greeting(&mut client).await, "m1");
    let new = Running::of(Router::take_over(config).await.unwrap());
    supervisor.push(table(2, 6, None, &[]));
    assert!(rest(&mut client).await.is_empty());
    supervisor.confirmed(2).await;
    old.stopped().await;
    new.stop().await;
}

/// Once the old one, with nobody to wait for, ended before it had handed over.
#[tokio::test]
async fn an_idle_router_hands_over_before_it_ends() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let config = world.config(&[&supervisor]);
    let mut serving = Running::start(config.clone()).await;
    let config = again(config, &serving);
    supervisor.push(table(1, 5, None, &[]));
    supervisor.confirmed(1).await;
    for _ in 0..20 {
        let next = Router::take_over(config.clone()).await.unwrap();
        serving.stopped().await;
        serving = Running::of(next);
        while !world.path("state/r1.routes.handover").exists() {
            tokio::task::yield_now().await;
        }
    }
    serving.stop().await;
}

/// A router that was taken over and does what the test says.
struct Predecessor(UnixListener);

impl Predecessor {
    fn start(world: &World) -> (Self, PathBuf) {
        let path = world.path("state/r1.routes.handover");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        (Self(UnixListener::bind(&path).unwrap()), path)
    }

    /// Gives away nothing but the right to serve.
    async fn give(self, path: PathBuf, table: Value) -> UnixStream {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let _who: Value = link::receive(&mut stream).await.unwrap();
        link::send(&mut stream, &json!({"Offered": []})).await.unwrap();
        stream.write_all(&[0]).await.unwrap();
        let _take: Value = link::receive(&mut stream).await.unwrap();
        std::fs::remove_file(path).unwrap();
        link::send(&mut stream, &json!({"table": table})).await.unwrap();
        stream
    }
}

#[tokio::test]
async fn no_epoch_is_confirmed_that_the_old_one_has_not_left() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let (old, path) = Predecessor::start(&world);
    let followed = serde_json::to_value(table(3, 9, None, &[])).unwrap();
    let config = world.config(&[&supervisor]);
    let (router, mut old) = tokio::join!(Router::take_over(config), old.give(path, followed));
    let router = Running::of(router.unwrap());
    // It never goes back below the table that the old one followed, and tells it what it follows.
    supervisor.push(table(2, 20, None, &[]));
    supervisor.push(table(4, 21, None, &[]));
    loop {
        let told: quorate_model::RouteTable = soon("a table", link::receive(&mut old)).await.unwrap();
        assert!(told.epoch >= Epoch(3));
        if told.epoch == Epoch(4) {
            break;
        }
    }
    let mut reports = 0;
    while reports < 3 {
        supervisor
            .report(|report| {
                assert!(report.confirmed < Epoch(4));
                report.index == 21
            })
            .await;
        reports += 1;
    }
    link::send(&mut old, &json!({"below": 4})).await.unwrap();
    supervisor.confirmed(4).await;
    supervisor.push(table(5, 22, None, &[]));
    supervisor.report(|report| report.index == 22).await;
    drop(old);
    supervisor.confirmed(5).await;
    router.stop().await;
}

#[tokio::test]
async fn who_only_asks_or_is_somebody_else_gets_nothing() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let config = world.config(&[&supervisor]);
    let router = Running::start(config.clone()).await;
    supervisor.push(table(1, 5, Some(&m1), &[]));
    supervisor.confirmed(1).await;
    let mut other = again(config.clone(), &router);
    other.cluster = "other".into();
    let error = Router::take_over(other).await.unwrap_err();
    assert!(matches!(error, Error::TakeOver { .. }), "{error}");

    let mut asks = UnixStream::connect(world.path("state/r1.routes.handover"))
        .await
        .unwrap();
    let who = json!({"version": 1, "router": "r1", "cluster": "lab"});
    link::send(&mut asks, &who).await.unwrap();
    let offered: Value = link::receive(&mut asks).await.unwrap();
    assert_eq!(offered["Offered"].as_array().unwrap().len(), 3);
    drop(asks);

    let mut client = connect(router.rw).await;
    assert_eq!(greeting(&mut client).await, "m1");
    // One that asks for less leaves the rest closed: `ro` listens elsewhere from now on.
    let mut moved = again(config, &router);
    moved.listen.ro.set_port(0);
    moved.listen.ro.set_ip([127, 0, 0, 2].into());
    let new = Running::of(Router::take_over(moved).await.unwrap());
    assert!(TcpStream::connect(router.ro).await.is_err());
    assert_eq!((new.rw, new.ro.ip().to_string().as_str()), (router.rw, "127.0.0.2"));
    drop(client);
    router.stopped().await;
}

#[tokio::test]
async fn without_a_running_one_it_is_an_ordinary_start() {
    let world = World::new();
    let router = Running::of(Router::take_over(world.config(&[])).await.unwrap());
    router.stop().await;
    // What a killed one leaves behind is no obstacle.
    drop(UnixListener::bind(world.path("state/r1.routes.handover")).unwrap());
    let router = Running::of(Router::take_over(world.config(&[])).await.unwrap());
    router.stop().await;
}

#[tokio::test]
async fn limits_change_while_it_serves_and_unusable_ones_do_not() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let mut config = world.config(&[]);
    config.limits.max_connections = 1;
    let (changed, changes) = tokio::sync::watch::channel(config.clone());
    let router = Running::changing(Router::bind(config.clone()).await.unwrap(), changes);
    // A supervisor that was not configured at the start is linked.
    config.supervisors = world.config(&[&supervisor]).supervisors;
    changed.send_replace(config.clone());
    supervisor.push(table(1, 5, Some(&m1), &[]));
    supervisor.confirmed(1).await;

    let mut first = connect(router.rw).await;
    assert_eq!(greeting(&mut first).await, "m1");
    assert_eq!(refusal(&mut connect(router.rw).await).await.0, 1040);
    config.limits.max_connections = 0;
    changed.send_replace(config.clone());
    config.limits.max_connections = 2;
    changed.send_replace(config);
    for _ in 0..500 {
        let mut second = connect(router.rw).await;
        let mut heard = [0; 2];
        soon("an answer", second.read_exact(&mut heard)).await.unwrap();
        if &heard == b"m1" {
            return router.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the new limit never counted");
}
