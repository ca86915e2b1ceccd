use std::time::Duration;

use quorate_model::{DoorState, Epoch, LeaseKind, Progress, Task};

use super::rig::Rig;
use crate::machine::{Durable, Effect, Event};

const TTL: Duration = Duration::from_millis(1500);

fn asked(rig: &Rig, release: bool) -> Option<u64> {
    rig.log.iter().rev().find_map(|effect| match effect {
        Effect::AskFailsafe { seq, release: is, .. } if *is == release => Some(*seq),
        _ => None,
    })
}

fn answer(rig: &Rig) -> Option<Duration> {
    rig.log.iter().rev().find_map(|effect| match effect {
        Effect::AnswerFailsafe { ttl, .. } => Some(*ttl),
        _ => None,
    })
}

fn ask(rig: &mut Rig, seq: u64, release: bool) {
    rig.event(Event::FailsafeAsked {
        from: "m2".into(),
        epoch: Epoch(1),
        seq,
        release,
    });
}

#[test]
fn one_member_keeps_the_door_open_while_the_supervisors_are_silent() {
    let mut rig = Rig::serving(1);
    rig.tick(499);
    assert_eq!(asked(&rig, false), None);
    rig.tick(1);
    let seq = asked(&rig, false).unwrap();
    let sent = rig.now;
    rig.tick(100);
    rig.event(Event::FailsafeGranted {
        by: "m3".into(),
        epoch: Epoch(1),
        seq,
        ttl: TTL,
    });
    rig.tick(1399);
    assert_eq!(rig.door.state, DoorState::Open { epoch: Epoch(1) });
    assert_eq!(rig.report.lease, LeaseKind::Failsafe);
    assert!(rig.now < sent.after(TTL));
    rig.tick(1);
    assert_eq!(rig.door.state, DoorState::Replicas { epoch: Epoch(1) });
}

#[test]
fn a_promise_of_a_node_outside_the_ack_set_is_worth_nothing() {
    let mut rig = Rig::serving(1);
    rig.tick(500);
    let seq = asked(&rig, false).unwrap();
    rig.event(Event::FailsafeGranted {
        by: "m9".into(),
        epoch: Epoch(1),
        seq,
        ttl: TTL,
    });
    rig.event(Event::FailsafeGranted {
        by: "m3".into(),
        epoch: Epoch(1),
        seq,
        ttl: TTL,
    });
    rig.serve(1, &["m2"]);
    rig.tick(1000);
    assert_eq!(rig.door.state, DoorState::Replicas { epoch: Epoch(1) });
}

#[test]
fn a_fenced_primary_gives_back_what_it_holds_after_the_door_is_closed() {
    let mut rig = Rig::serving(1);
    rig.tick(500);
    rig.log.clear();
    rig.order(2, Task::Revoke);
    let released = rig
        .log
        .iter()
        .position(|effect| matches!(effect, Effect::AskFailsafe { release: true, .. }));
    let closed = rig
        .log
        .iter()
        .position(|effect| matches!(effect, Effect::Door(door) if door.state == DoorState::Closed));
    assert!(closed.unwrap() < released.unwrap());
}

#[test]
fn a_grant_forbids_to_confirm_a_revocation_until_it_must_have_ended() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    ask(&mut rig, 1, false);
    assert_eq!(answer(&rig), Some(Duration::ZERO), "the mark comes to the disk first");
    ask(&mut rig, 2, false);
    assert_eq!(answer(&rig), Some(TTL));
    rig.order(2, Task::Revoke);
    assert_eq!(rig.relay, None, "it receives nothing meanwhile");
    rig.tick(1580);
    assert!(matches!(rig.report.progress, Progress::Busy { .. }));
    rig.tick(1);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
}

#[test]
fn a_release_ends_the_wait_and_a_late_question_does_not_begin_it_again() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    ask(&mut rig, 1, false);
    ask(&mut rig, 2, false);
    rig.order(2, Task::Revoke);
    ask(&mut rig, 4, true);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
    ask(&mut rig, 3, false);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
}

#[test]
fn nothing_is_granted_to_a_stranger_or_under_a_promise_to_another_epoch() {
    let mut rig = Rig::booted();
    rig.follow(1, "m3");
    ask(&mut rig, 1, false);
    ask(&mut rig, 2, false);
    assert_eq!(answer(&rig), Some(Duration::ZERO));
    rig.order(2, Task::Revoke);
    ask(&mut rig, 3, false);
    assert_eq!(answer(&rig), Some(Duration::ZERO));
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
}

#[test]
fn a_restarted_grantor_waits_as_if_it_had_just_granted() {
    let mut rig = Rig::with(Durable {
        promised: Epoch(1),
        failsafe: Some(Epoch(1)),
        ..Durable::default()
    });
    rig.tick(1);
    rig.order(2, Task::Revoke);
    assert!(matches!(rig.report.progress, Progress::Busy { .. }));
    rig.tick(1580);
    assert_eq!(rig.report.progress, Progress::Revoked { epoch: Epoch(2) });
    rig.order(3, Task::Revoke);
    assert_eq!(rig.machine.durable().failsafe, None);
}
