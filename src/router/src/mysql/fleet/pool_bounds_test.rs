//! Bounds hold whatever sessions do.

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::mysql::fleet::place::Dial;

#[derive(Debug, Clone, Copy)]
enum Step {
    Take { node: bool, user: u8 },
    Receive(usize),
    GiveUp(usize),
    Dialled(usize),
    NotDialled(usize, bool),
    Waits(usize),
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
        4 => (0..8_usize).prop_map(Step::Dialled),
        2 => (0..8_usize, any::<bool>()).prop_map(|(at, of_load)| Step::NotDialled(at, of_load)),
        2 => (0..8_usize).prop_map(Step::Waits),
        5 => (0..8_usize).prop_map(Step::Put),
        2 => (0..8_usize).prop_map(Step::Close),
        1 => (0..8_usize).prop_map(Step::Die),
        1 => Just(Step::Cut),
        1 => Just(Step::Sweep),
        1 => (1..9_usize).prop_map(Step::Resize),
    ]
}

struct Play {
    world: World,
    epoch: u64,
    held: Vec<(TestKey, TestPlace, Connection)>,
    dialling: Vec<(TestKey, Dial<TestKey, Connection>)>,
    waiting: Vec<(TestKey, oneshot::Receiver<Grant<TestKey, Connection>>)>,
}

impl Play {
    fn granted(&mut self, key: TestKey, grant: Grant<TestKey, Connection>) {
        match grant {
            Grant::Idle(..) => {
                let (place, connection) = self.world.connected(&key, grant);
                self.held.push((key, place, connection));
            }
            Grant::Dial(dial) => self.dialling.push((key, dial)),
        }
    }

    fn step(&mut self, step: Step) {
        let world = &self.world;
        let held = self.held.len().max(1);
        let dialling = self.dialling.len().max(1);
        let waiting = self.waiting.len().max(1);
        match step {
            Step::Take { node, user } => {
                let key = key(if node { "m1" } else { "m2" }, self.epoch, user);
                match world.try_take(&key) {
                    Ok(Waiting::Granted(grant)) => self.granted(key, grant),
                    Ok(Waiting::Queued(later)) => self.waiting.push((key, later)),
                    Err(NoPlace::Full(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Receive(at) if !self.waiting.is_empty() => {
                let (key, mut later) = self.waiting.remove(at % waiting);
                match later.try_recv() {
                    Ok(grant) => self.granted(key, grant),
                    Err(_) => self.waiting.push((key, later)),
                }
            }
            Step::GiveUp(at) if !self.waiting.is_empty() => drop(self.waiting.remove(at % waiting)),
            Step::Dialled(at) if !self.dialling.is_empty() => {
                let (key, dial) = self.dialling.remove(at % dialling);
                self.held.push((key.clone(), dial.succeeded(), world.dialled(&key)));
            }
            Step::NotDialled(at, of_load) if !self.dialling.is_empty() => {
                let (_, dial) = self.dialling.remove(at % dialling);
                if of_load {
                    dial.failed();
                }
            }
            Step::Waits(at) if !self.dialling.is_empty() => self.dialling[at % dialling].1.waits(),
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
                self.dialling.retain(|(key, _)| key.epoch() >= Epoch(epoch));
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
            Step::Receive(_)
            | Step::GiveUp(_)
            | Step::Dialled(_)
            | Step::NotDialled(..)
            | Step::Waits(_)
            | Step::Put(_)
            | Step::Close(_)
            | Step::Die(_) => {}
        }
    }

    fn check(&self, most: usize) {
        let config = self.world.config.load();
        let settings = &config.pool;
        let (mut idle_total, mut dialling) = (0, 0);
        for (node, shelf) in self.world.pool.lock().iter() {
            let is = shelf.figures();
            idle_total += is.idle;
            dialling += is.dialling;
            assert!(is.open <= most, "{node}: {is:?}");
            assert!(is.idle <= settings.idle_max && is.idle <= is.open, "{node}: {is:?}");
            let patient = self
                .waiting
                .iter()
                .filter(|(key, later)| key.node() == node && later.is_empty())
                .count();
            assert!(is.queued >= patient);
            let has_no_room = is.idle == 0 && is.open >= settings.max_backends;
            assert!(
                patient == 0 || is.fitting == 0 && (has_no_room || !is.may_dial),
                "{node}: {patient} wait in vain, {is:?}"
            );
        }
        let (idle, open, _) = self.world.pool.counts().read();
        assert!(idle == idle_total && idle <= settings.idle_total);
        let unread = self.waiting.iter().filter(|(_, later)| !later.is_empty()).count();
        assert_eq!(open, self.held.len() + self.dialling.len() + idle + unread);
        assert!(dialling >= self.dialling.len() && dialling <= self.dialling.len() + unread);
        for (key, _, connection) in &self.held {
            assert_eq!(*key, connection.key);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn bounds_hold_whatever_happens(steps in proptest::collection::vec(step(), 0..120), idle_max in 0..4_usize) {
        let mut play = Play { world: World::new(3, idle_max, 4), epoch: 1, held: Vec::new(), dialling: Vec::new(), waiting: Vec::new() };
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
        play.dialling.clear();
        play.waiting.clear();
        play.world.pool.sweep(|_, _, _| false);
        prop_assert_eq!(play.world.pool.counts().read(), (0, 0, 0));
        prop_assert_eq!(play.world.living.load(Ordering::Relaxed), 0);
    }
}
