//! Nobody gets what does not fit or has ended, and who waits is served in order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use quorate_model::Moment;

use super::*;
use crate::Config;
use crate::config::{Pooling, least};

#[path = "pool_bounds_test.rs"]
mod bounds;

/// Node, epoch, user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TestKey(NodeId, Epoch, u8);

impl Key for TestKey {
    fn node(&self) -> &NodeId {
        &self.0
    }

    fn epoch(&self) -> Epoch {
        self.1
    }
}

/// A connection that knows what it is and is counted while it lives.
#[derive(Debug)]
struct Connection {
    key: TestKey,
    quiet: Arc<AtomicBool>,
    living: Arc<AtomicUsize>,
}

impl Pooled for Connection {
    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::Relaxed);
    }
}

type TestPlace = Place<TestKey, Connection>;

struct World {
    pool: Arc<Pool<TestKey, Connection>>,
    config: Live,
    floor: watch::Sender<Epoch>,
    living: Arc<AtomicUsize>,
}

impl World {
    fn new(max_backends: usize, idle_max: usize, idle_total: usize) -> Self {
        let mut config: Config = serde_json::from_value(least()).unwrap();
        config.pool = Pooling {
            max_backends,
            idle_max,
            idle_total,
            waiters_max: 4,
            ..Pooling::default()
        };
        let config = Arc::new(ArcSwap::from_pointee(config));
        let floor = watch::Sender::new(Epoch::ZERO);
        Self {
            pool: Pool::new(
                config.clone(),
                floor.subscribe(),
                Arc::new(Metrics::new().unwrap()),
                Clock,
            ),
            config,
            floor,
            living: Arc::default(),
        }
    }

    fn dialled(&self, key: &TestKey) -> Connection {
        self.living.fetch_add(1, Ordering::Relaxed);
        Connection {
            key: key.clone(),
            quiet: Arc::new(AtomicBool::new(true)),
            living: self.living.clone(),
        }
    }

    /// A connection for `key` from whatever the pool granted.
    fn connected(&self, key: &TestKey, grant: Grant<TestKey, Connection>) -> (TestPlace, Connection) {
        match grant {
            Grant::Idle(place, connection) => {
                assert_eq!(connection.key, *key);
                assert!(connection.is_quiet());
                (place, connection)
            }
            Grant::Dial(dial) => (dial.succeeded(), self.dialled(key)),
        }
    }

    fn try_take(&self, key: &TestKey) -> Result<Waiting<TestKey, Connection>, NoPlace> {
        self.pool.shelf(key.node()).take(key)
    }

    fn set(&self, pool: Pooling) {
        let present = Config::clone(&self.config.load());
        self.config.store(Arc::new(Config { pool, ..present }));
    }

    fn cut(&self, floor: Epoch) {
        self.floor.send_replace(floor);
        self.pool.cut(floor);
    }
}

fn key(node: &str, epoch: u64, user: u8) -> TestKey {
    TestKey(node.into(), Epoch(epoch), user)
}

fn granted(waiting: Result<Waiting<TestKey, Connection>, NoPlace>) -> Grant<TestKey, Connection> {
    match waiting {
        Ok(Waiting::Granted(grant)) => grant,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_last_one_given_back_is_given_out_first_and_only_to_whom_it_fits() {
    let world = World::new(4, 4, 8);
    let (ada, bob) = (key("m1", 1, 1), key("m1", 1, 2));
    let [first, second] = [0, 1].map(|_| world.connected(&ada, granted(world.try_take(&ada))));
    let warm = second.1.quiet.clone();
    world.pool.put(first.0, ada.clone(), first.1);
    world.pool.put(second.0, ada.clone(), second.1);
    assert!(matches!(world.pool.take(&bob).await, Ok(Grant::Dial(_))));
    let Ok(Grant::Idle(_, connection)) = world.pool.take(&ada).await else {
        panic!("there was one");
    };
    assert!(Arc::ptr_eq(&connection.quiet, &warm));
}

#[tokio::test]
async fn who_waits_makes_others_give_back_and_is_served_in_order() {
    let world = World::new(1, 4, 8);
    let (ada, bob) = (key("m1", 1, 1), key("m1", 1, 2));
    let (place, connection) = world.connected(&ada, granted(world.try_take(&ada)));
    assert!(!place.is_wanted());
    let (Ok(Waiting::Queued(mut one)), Ok(Waiting::Queued(mut two))) = (world.try_take(&ada), world.try_take(&bob))
    else {
        panic!("there is only one place");
    };
    assert!(place.is_wanted());
    assert_eq!(world.pool.counts().read(), (0, 1, 2));
    world.pool.put(place, ada.clone(), connection);
    let Ok(Grant::Idle(place, connection)) = one.try_recv() else {
        panic!("handed over");
    };
    assert!(two.try_recv().is_err() && place.is_wanted());
    // It does not fit the next one, who gets its place.
    world.pool.put(place, ada, connection);
    let Ok(Grant::Dial(dial)) = two.try_recv() else {
        panic!("a place");
    };
    assert_eq!(world.living.load(Ordering::Relaxed), 0);
    assert!(!dial.succeeded().is_wanted());
}

#[tokio::test]
async fn while_the_window_is_full_connections_that_come_back_serve_who_waits() {
    let world = World::new(100, 4, 8);
    let (ada, bob) = (key("m1", 1, 1), key("m1", 1, 2));
    let mut dialling: Vec<_> = (0..8).map(|_| granted(world.try_take(&ada))).collect();
    let (Ok(Waiting::Queued(mut one)), Ok(Waiting::Queued(mut two)), Ok(Waiting::Queued(mut three))) =
        (world.try_take(&bob), world.try_take(&ada), world.try_take(&ada))
    else {
        panic!("eight dials are under way");
    };
    // The first success lets two more dial, by the order in which they came.
    let (place, connection) = world.connected(&ada, dialling.pop().unwrap());
    assert!(place.is_wanted());
    assert!(matches!(one.try_recv(), Ok(Grant::Dial(_))));
    assert!(matches!(two.try_recv(), Ok(Grant::Dial(_))));
    // `one` and `two` were dropped: there is room for the third.
    assert!(matches!(three.try_recv(), Ok(Grant::Dial(_))));
    dialling.push(granted(world.try_take(&ada)));
    dialling.push(granted(world.try_take(&ada)));
    let (Ok(Waiting::Queued(mut other)), Ok(Waiting::Queued(mut same))) = (world.try_take(&bob), world.try_take(&ada))
    else {
        panic!("nine dials are under way");
    };
    world.pool.put(place, ada, connection);
    assert!(other.try_recv().is_err(), "it does not fit");
    assert!(matches!(same.try_recv(), Ok(Grant::Idle(..))), "it fits who came later");
    let Some(Grant::Dial(failed)) = dialling.pop() else {
        panic!("a dial");
    };
    failed.failed();
    assert!(other.try_recv().is_err(), "the window has shrunk");
    assert_eq!(world.pool.dials(&"m1".into()), 4);
    dialling.truncate(3);
    assert!(matches!(other.try_recv(), Ok(Grant::Dial(_))));
}

#[tokio::test]
async fn who_stops_waiting_loses_nothing_for_the_next() {
    let world = World::new(1, 4, 8);
    let ada = key("m1", 1, 1);
    let place = granted(world.try_take(&ada));
    let (Ok(Waiting::Queued(gone)), Ok(Waiting::Queued(mut stays))) = (world.try_take(&ada), world.try_take(&ada))
    else {
        panic!("there is only one place");
    };
    drop(gone);
    drop(place);
    assert!(stays.try_recv().is_ok());
}

#[tokio::test]
async fn waits_are_bounded_in_number_and_time_and_end_with_the_epoch() {
    let world = World::new(1, 4, 8);
    let ada = key("m1", 1, 1);
    let _place = granted(world.try_take(&ada));
    let waiting: Vec<_> = (0..4).map(|_| world.try_take(&ada).unwrap()).collect();
    assert_eq!(world.pool.take(&ada).await.unwrap_err(), NoPlace::Full(4));
    drop(waiting);
    let patience = |wait_ms| Pooling {
        wait_ms,
        max_backends: 1,
        ..Pooling::default()
    };
    world.set(patience(1));
    assert!(matches!(world.pool.take(&ada).await, Err(NoPlace::TooLong(_))));
    world.set(patience(3_600_000));
    let cut = async {
        tokio::task::yield_now().await;
        world.cut(Epoch(2));
    };
    let (taken, ()) = tokio::join!(world.pool.take(&ada), cut);
    assert_eq!(taken.unwrap_err(), NoPlace::Ended(Epoch(1)));
    assert_eq!(world.pool.take(&ada).await.unwrap_err(), NoPlace::Ended(Epoch(1)));
}

#[tokio::test]
async fn a_server_with_too_many_connections_makes_sessions_wait_for_each_other() {
    let world = World::new(4, 4, 8);
    let ada = key("m1", 1, 1);
    let (place, connection) = world.connected(&ada, granted(world.try_take(&ada)));
    let Grant::Dial(refused) = granted(world.try_take(&ada)) else {
        panic!("a place");
    };
    refused.crowded();
    let Ok(Waiting::Queued(mut waits)) = world.try_take(&ada) else {
        panic!("it would be refused again");
    };
    assert!(place.is_wanted());
    world.pool.put(place, ada.clone(), connection);
    let Ok(Grant::Idle(place, _)) = waits.try_recv() else {
        panic!("handed over");
    };
    // The next sweep lets somebody try.
    let Ok(Waiting::Queued(mut tries)) = world.try_take(&ada) else {
        panic!("still crowded");
    };
    world.pool.sweep(|_, _, _| true);
    assert!(matches!(tries.try_recv(), Ok(Grant::Dial(_))));
    drop(place);
}

#[tokio::test]
async fn idle_connections_end_with_their_epoch_their_server_and_the_router() {
    let world = World::new(8, 8, 8);
    let stop = CancellationToken::new();
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(world.pool.clone().keep(stop.clone()));
    tasks.close();
    for epoch in [1, 2, 3] {
        let key = key("m1", epoch, 1);
        let (place, connection) = world.connected(&key, granted(world.try_take(&key)));
        world.pool.put(place, key, connection);
    }
    world.floor.send_replace(Epoch(3));
    while world.living.load(Ordering::Relaxed) > 1 {
        tokio::task::yield_now().await;
    }
    // A session that gives back late, or something dead, finds no room.
    let late = key("m1", 3, 1);
    let (place, connection) = world.connected(&late, granted(world.try_take(&late)));
    connection.quiet.store(false, Ordering::Relaxed);
    world.pool.put(place, late.clone(), connection);
    let (place, connection) = world.connected(&late, granted(world.try_take(&late)));
    world.pool.put(place, late, connection);
    stop.cancel();
    tasks.wait().await;
    assert_eq!(world.living.load(Ordering::Relaxed), 0);
    assert_eq!(world.pool.counts().read(), (0, 0, 0));
}

#[test]
fn ages_are_measured_from_the_moment_of_giving_back() {
    let world = World::new(4, 4, 8);
    let ada = key("m1", 1, 1);
    let (place, connection) = world.connected(&ada, granted(world.try_take(&ada)));
    place.put(ada, connection, Moment::from_micros(5));
    world.pool.sweep(|_, _, since| since == Moment::from_micros(5));
    assert_eq!(world.pool.counts().read(), (1, 1, 0));
}
