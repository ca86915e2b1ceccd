//! Bounds hold whatever sessions do, nobody gets what does not fit or has ended, and who waits is served in order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use proptest::prelude::*;
use quorate_model::Moment;
use tokio::sync::oneshot;

use super::*;
use crate::Config;
use crate::config::{Pooling, least};

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
            Grant::Dial(place) => (place, self.dialled(key)),
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
    let Ok(Grant::Dial(place)) = two.try_recv() else {
        panic!("a place");
    };
    assert_eq!(world.living.load(Ordering::Relaxed), 0);
    assert!(!place.is_wanted());
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

#[derive(Debug, Clone, Copy)]
enum Step {
    Take { node: bool, user: u8 },
    Receive(usize),
    GiveUp(usize),
    Put(usize),
    Close(usize),
    Die(usize),
    Cut,
    Sweep,
    Resize(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), 0..3_u8).prop_map(|(node, user)| Step::Take { node, user }),
        3 => (0..8_usize).prop_map(Step::Receive),
        1 => (0..8_usize).prop_map(Step::GiveUp),
        5 => (0..8_usize).prop_map(Step::Put),
        2 => (0..8_usize).prop_map(Step::Close),
        1 => (0..8_usize).prop_map(Step::Die),
        1 => Just(Step::Cut),
        1 => Just(Step::Sweep),
        1 => (1..5_usize).prop_map(Step::Resize),
    ]
}

struct Play {
    world: World,
    epoch: u64,
    held: Vec<(TestKey, TestPlace, Connection)>,
    waiting: Vec<(TestKey, oneshot::Receiver<Grant<TestKey, Connection>>)>,
}

impl Play {
    fn step(&mut self, step: Step) {
        let world = &self.world;
        let held = self.held.len().max(1);
        let waiting = self.waiting.len().max(1);
        match step {
            Step::Take { node, user } => {
                let key = key(if node { "m1" } else { "m2" }, self.epoch, user);
                match world.try_take(&key) {
                    Ok(Waiting::Granted(grant)) => {
                        let (place, connection) = world.connected(&key, grant);
                        self.held.push((key, place, connection));
                    }
                    Ok(Waiting::Queued(later)) => self.waiting.push((key, later)),
                    Err(NoPlace::Full(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Receive(at) if !self.waiting.is_empty() => {
                let (key, mut later) = self.waiting.remove(at % waiting);
                match later.try_recv() {
                    Ok(grant) => {
                        let (place, connection) = world.connected(&key, grant);
                        self.held.push((key, place, connection));
                    }
                    Err(_) => self.waiting.push((key, later)),
                }
            }
            Step::GiveUp(at) if !self.waiting.is_empty() => drop(self.waiting.remove(at % waiting)),
            Step::Put(at) if !self.held.is_empty() => {
                let (key, place, connection) = self.held.remove(at % held);
                world.pool.put(place, key, connection);
            }
            Step::Close(at) if !self.held.is_empty() => drop(self.held.remove(at % held)),
            Step::Die(at) if !self.held.is_empty() => {
                self.held[at % held].2.quiet.store(false, Ordering::Relaxed);
            }
            Step::Cut => {
                self.epoch += 1;
                world.cut(Epoch(self.epoch));
                let epoch = self.epoch;
                self.waiting.retain(|(key, _)| key.epoch() >= Epoch(epoch));
                self.held.retain(|(key, _, _)| key.epoch() >= Epoch(epoch));
            }
            Step::Sweep => world.pool.sweep(|_, connection, _| connection.is_quiet()),
            Step::Resize(max_backends) => {
                let present = world.config.load().pool.clone();
                world.set(Pooling {
                    max_backends,
                    ..present
                });
                self.world.pool.sweep(|_, _, _| true);
            }
            Step::Receive(_) | Step::GiveUp(_) | Step::Put(_) | Step::Close(_) | Step::Die(_) => {}
        }
    }

    fn check(&self, most: usize) {
        let config = self.world.config.load();
        let settings = &config.pool;
        let mut idle_total = 0;
        for (node, shelf) in self.world.pool.lock().iter() {
            let (open, idle, queued) = shelf.figures();
            idle_total += idle;
            assert!(open <= most, "{node}: {open} open");
            assert!(
                idle <= settings.idle_max && idle <= open,
                "{node}: {idle} idle of {open}"
            );
            let patient = self
                .waiting
                .iter()
                .filter(|(key, later)| key.node() == node && later.is_empty())
                .count();
            assert!(queued >= patient);
            assert!(
                patient == 0 || (idle == 0 && open >= settings.max_backends),
                "{node}: {patient} wait in vain"
            );
        }
        let (idle, open, _) = self.world.pool.counts().read();
        assert!(idle == idle_total && idle <= settings.idle_total);
        let unread = self.waiting.iter().filter(|(_, later)| !later.is_empty()).count();
        assert_eq!(open, self.held.len() + idle + unread);
        for (key, _, connection) in &self.held {
            assert_eq!(*key, connection.key);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn bounds_hold_whatever_happens(steps in proptest::collection::vec(step(), 0..120), idle_max in 0..4_usize) {
        let mut play = Play { world: World::new(3, idle_max, 4), epoch: 1, held: Vec::new(), waiting: Vec::new() };
        // Places that were taken under a larger bound are not taken away.
        let mut most = 3;
        for step in steps {
            play.step(step);
            if let Step::Resize(max) = step {
                most = most.max(max);
            }
            play.check(most);
        }
        play.held.clear();
        play.waiting.clear();
        play.world.pool.sweep(|_, _, _| false);
        prop_assert_eq!(play.world.pool.counts().read(), (0, 0, 0));
        prop_assert_eq!(play.world.living.load(Ordering::Relaxed), 0);
    }
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
