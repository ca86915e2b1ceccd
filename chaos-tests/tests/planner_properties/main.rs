//! The planner under generated histories: crashes, cuts, late, repeated and lost messages, changes of leader in the middle,
//! switchovers. After each step the promises hold; in the end, left alone, it opens or says why not.

#[cfg(test)]
mod node;
#[cfg(test)]
mod world;

#[cfg(test)]
mod histories {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use quorate_chaos::invariants::{history, i05_no_lost_ack, i18_opens_when_whole};
    use quorate_model::{Epoch, Phase};

    use super::node::Server;
    use super::world::{Sabotage, World};

    /// One step of a history: what, on whom, how.
    type Step = (u8, u8, u8);

    fn step(world: &mut World, (what, which, how): Step, faults: bool) {
        match what {
            0..60 => {
                world.send_report(which);
                world.receive(which, usize::from(how), 3);
            }
            60..70 => world.send_report(which),
            70..80 => world.receive(which, usize::from(how), 1),
            80..115 => {
                world.plan();
            }
            115..135 => world.commit(),
            135..165 => {
                world.deliver(which, how.is_multiple_of(16), how % 16 == 1);
            }
            165..190 => world.work(which, how),
            190..200 => world.write(which),
            200..215 => {
                let name = world.name(which);
                world.stream(&name, usize::from(how % 4));
            }
            215..220 => world.apply(which),
            220..226 => world.pass(u64::from(how) * 4),
            226..230 => {
                for _ in 0..how % 16 {
                    world.round();
                }
            }
            230 => world.router(),
            231..234 => world.change_leader(how.is_multiple_of(2)),
            234..236 => world.ghost(),
            236 => {
                let target = world.name(which);
                world.switchover((!how.is_multiple_of(3)).then_some(target));
            }
            _ if faults => fault(world, what, which, how),
            _ => {}
        }
    }

    fn fault(world: &mut World, what: u8, which: u8, how: u8) {
        let lose = usize::from(how % 6);
        match what {
            237..241 => world.node(which).crash(lose),
            241 => world.node(which).kill_agent(lose),
            242..245 => world.node(which).alive = true,
            245 => world.node(which).stopped = true,
            246..248 => world.node(which).stopped = false,
            248 => world.node(which).reachable = false,
            249..251 => world.node(which).reachable = true,
            251 => world.node(which).side = how % 2,
            252 => world.node(which).boot_by_itself(),
            253 => world.node(which).wants_handover = how.is_multiple_of(2),
            254 => world.pause(),
            _ if how < 24 => {
                world.lossy = true;
                if how.is_multiple_of(2) {
                    world.node(which).damage();
                } else {
                    world.node(which).wipe();
                }
            }
            _ => {}
        }
    }

    /// Opened once, then the history, then calm.
    fn run(steps: &[Step], faults: bool) -> World {
        run_with(steps, faults, None)
    }

    fn run_with(steps: &[Step], faults: bool, sabotage: Option<Sabotage>) -> World {
        let mut world = World::new();
        for _ in 0..40 {
            world.round();
        }
        assert_eq!(world.state.phase, Phase::Open, "the world does not even start");
        world.sabotage = sabotage;
        for step in steps {
            self::step(&mut world, *step, faults);
            world.check();
        }
        world.calm(240);
        world
    }

    /// A few seconds' worth; `PROPTEST_CASES` asks for more.
    fn cases() -> u32 {
        let wanted = std::env::var("PROPTEST_CASES").ok();
        wanted.and_then(|cases| cases.parse().ok()).unwrap_or(16)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        #[test]
        fn every_promise_holds(steps in prop::collection::vec(any::<Step>(), 20..400)) {
            let world = run(&steps, true);
            prop_assert_eq!(history(&world.trace), Ok(()));
        }

        #[test]
        fn without_faults_only_people_change_the_primary(steps in prop::collection::vec(any::<Step>(), 20..120)) {
            let world = run(&steps, false);
            prop_assert_eq!(history(&world.trace), Ok(()));
            prop_assert_eq!(world.state.phase, Phase::Open);
        }
    }

    #[test]
    fn a_primary_killed_again_and_again_loses_nothing() {
        let mut world = World::new();
        for round in 0..600_u32 {
            world.round();
            if round % 30 == 29 {
                let Some(primary) = world.state.primary.clone() else {
                    continue;
                };
                if let Some(node) = world.nodes.get_mut(&primary) {
                    node.crash(3);
                }
            }
        }
        world.calm(100);
        assert_eq!(i05_no_lost_ack::check(&world.trace), Ok(()));
        assert_eq!(i18_opens_when_whole::check(&world.trace), Ok(()));
        assert!(world.state.epoch > Epoch(15), "{}", world.state.epoch);
        assert!(world.trace.writes.len() > 300, "{}", world.trace.writes.len());
        assert!(world.nodes.values().all(|node| node.server != Server::Broken));
    }

    /// How many of some fixed histories show that the planner is broken, and how.
    fn caught(sabotage: Sabotage) -> std::collections::BTreeSet<&'static str> {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let histories = prop::collection::vec(any::<Step>(), 100..300);
        let mut found = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let steps = histories.new_tree(&mut runner).unwrap().current();
            let world = run_with(&steps, true, Some(sabotage));
            found.extend(world.breach.as_ref().map(|breach| breach.invariant));
            found.extend(history(&world.trace).err().map(|breach| breach.invariant));
        }
        found
    }

    #[test]
    fn an_election_without_the_whole_ack_set_is_caught() {
        let found = caught(Sabotage::Hasty);
        assert!(found.contains("I4") || found.contains("I5"), "{found:?}");
    }

    #[test]
    fn a_removal_without_cut_and_barrier_is_caught() {
        let found = caught(Sabotage::Careless);
        assert!(found.contains("I3"), "{found:?}");
    }
}
