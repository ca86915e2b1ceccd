use std::time::Duration;

use quorate_model::{DoorState, Epoch, IoThread, Progress, ServerState, Task};

use super::rig::{Rig, set};
use crate::machine::{Effect, Event, StepResult};

#[test]
fn a_replica_drains_what_it_received_before_it_attaches() {
    let mut rig = Rig::booted();
    rig.facts.received = set("0-2-9");
    rig.facts.applied = set("0-2-5");
    rig.event(Event::Facts {
        boot: 1,
        facts: rig.facts.clone(),
    });
    rig.log.clear();
    rig.follow(3, "m2");
    assert_eq!(rig.steps(), ["Drain", "Attach"]);
    assert_eq!(rig.door.state, DoorState::ReadOnly { epoch: Epoch(3) });
    assert_eq!(rig.relay.as_ref().unwrap().door, "m2:1");
}

#[test]
fn revoke_cuts_the_relay_first_then_stops_then_tells() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.log.clear();
    rig.order(2, Task::Revoke);
    let cut = rig
        .log
        .iter()
        .position(|effect| *effect == Effect::Relay(None))
        .unwrap();
    let stop = rig
        .log
        .iter()
        .position(|effect| matches!(effect, Effect::Step { .. }))
        .unwrap();
    assert!(cut < stop);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
    assert_eq!(rig.report.fenced, Epoch(2));
    assert_eq!(rig.door.state, DoorState::Closed);
}

#[test]
fn a_receiving_thread_that_only_retries_is_not_stopped() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.hold_steps.push("StopReceiving");
    rig.order(2, Task::Revoke);
    let mut facts = rig.facts.clone();
    facts.io = IoThread::Connecting;
    let id = rig.log.iter().rev().find_map(|effect| match effect {
        Effect::Step { id, .. } => Some(*id),
        _ => None,
    });
    rig.event(Event::StepDone {
        id: id.unwrap(),
        result: StepResult::Done(facts),
    });
    assert!(matches!(rig.report.progress, Progress::Stuck { .. }));
    rig.hold_steps.clear();
    rig.tick(250);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
}

#[test]
fn a_position_read_before_the_cut_does_not_lower_the_one_read_after() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.facts.received = set("0-2-50");
    let early = {
        let mut facts = rig.facts.clone();
        facts.received = set("0-2-40");
        facts
    };
    rig.order(2, Task::Revoke);
    rig.event(Event::Facts { boot: 1, facts: early });
    rig.tick(100);
    let ServerState::Running { facts, .. } = &rig.report.server else {
        panic!("not running")
    };
    assert_eq!(facts.received, set("0-2-50"));
}

#[test]
fn a_server_that_does_not_stop_receiving_is_killed_and_salvaged() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.hold_steps.push("StopReceiving");
    rig.order(2, Task::Revoke);
    rig.log.clear();
    rig.tick(1999);
    assert!(rig.steps().is_empty());
    rig.tick(1);
    assert_eq!(rig.steps(), ["KILL", "START", "Salvage"]);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
    assert!(rig.report.vouch);
}

#[test]
fn a_replica_does_not_vouch_until_it_salvaged() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.hold_steps.push("Salvage");
    rig.died(1, "killed by signal 11");
    rig.order(2, Task::Revoke);
    assert!(matches!(rig.report.server, ServerState::Running { .. }));
    assert!(!rig.report.vouch && matches!(rig.report.progress, Progress::Busy { .. }));
}

#[test]
fn a_new_epoch_of_the_same_primary_attaches_again() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.log.clear();
    rig.follow(2, "m2");
    assert_eq!(rig.steps(), ["StopReceiving", "Attach"]);
    assert_eq!(rig.relay.as_ref().unwrap().epoch, Epoch(2));
}

#[test]
fn stopped_replication_is_taken_up_again_but_never_over_a_backlog() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.log.clear();
    rig.tick(1000);
    rig.facts.io = IoThread::No;
    rig.facts.replication_error = Some("lost".to_owned());
    rig.facts.received = set("0-2-9");
    rig.event(Event::Facts {
        boot: 1,
        facts: rig.facts.clone(),
    });
    assert!(matches!(&rig.report.progress, Progress::Stuck { why, .. } if why.contains("lost")));
    rig.tick(5000);
    assert!(rig.steps().is_empty(), "{:?}", rig.steps());
    rig.facts.applied = set("0-2-9");
    rig.event(Event::Facts {
        boot: 1,
        facts: rig.facts.clone(),
    });
    rig.tick(2500);
    assert_eq!(rig.steps(), ["StopReceiving", "Attach"]);
}

/// A busy replica left the ack set and joined it again twenty times a second: its positions moved, and so reports went out
/// before anything had looked at the stream.
#[test]
fn a_stream_is_not_silent_while_the_received_position_moves() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.event(Event::Stream(Some(rig.now)));
    for seq in 1..100 {
        rig.now = rig.now.after(Duration::from_millis(25));
        rig.facts.received = set(&format!("0-2-{seq}"));
        rig.facts.applied = rig.facts.received.clone();
        let facts = rig.facts.clone();
        rig.event(Event::Facts { boot: 1, facts });
        let silence = rig.report.source_silence.unwrap();
        assert!(silence <= Duration::from_millis(100), "{silence:?}");
    }
    let still = rig.facts.clone();
    for _ in 0..10 {
        rig.now = rig.now.after(Duration::from_millis(100));
        let facts = still.clone();
        rig.event(Event::Facts { boot: 1, facts });
    }
    let silence = rig.report.source_silence.unwrap();
    assert!(silence >= Duration::from_secs(1), "{silence:?}");
}
