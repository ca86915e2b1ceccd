use std::time::Duration;

use quorate_model::Task;

use super::rig::Rig;
use crate::machine::{Effect, Event};

fn exits(rig: &Rig) -> usize {
    rig.log.iter().filter(|effect| **effect == Effect::Exit).count()
}

#[test]
fn a_primary_asks_for_a_handover_and_leaves_when_it_is_fenced() {
    let mut rig = Rig::serving(1);
    rig.log.clear();
    rig.event(Event::Terminate);
    assert!(rig.report.wants_handover && rig.steps().is_empty());
    rig.order(
        2,
        Task::Freeze {
            limit: Duration::from_millis(500),
        },
    );
    assert_eq!(exits(&rig), 0);
    rig.follow(2, "m2");
    assert_eq!(rig.steps(), ["Freeze", "KILL"]);
    assert_eq!(exits(&rig), 1);
    let report = rig
        .log
        .iter()
        .position(|effect| matches!(effect, Effect::Report(report) if report.fenced.0 == 2));
    let exit = rig.log.iter().position(|effect| *effect == Effect::Exit);
    assert!(report.unwrap() < exit.unwrap(), "the fence is told first");
}

#[test]
fn without_a_handover_the_server_is_killed_after_the_wait() {
    let mut rig = Rig::serving(1);
    rig.event(Event::Terminate);
    rig.tick(9_999);
    assert_eq!(exits(&rig), 0);
    rig.tick(1);
    assert_eq!(exits(&rig), 1);
    assert_eq!(rig.steps().last().unwrap(), "KILL");
}

#[test]
fn a_second_request_is_not_waited_for() {
    let mut rig = Rig::serving(1);
    rig.event(Event::Terminate);
    rig.tick(10);
    rig.event(Event::Terminate);
    assert_eq!(exits(&rig), 1);
}

#[test]
fn a_replica_leaves_at_once() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.event(Event::Terminate);
    assert_eq!(exits(&rig), 1);
    rig.tick(100);
    assert_eq!(exits(&rig), 1);
}
