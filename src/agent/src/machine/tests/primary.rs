use std::time::Duration;

use quorate_model::{DoorState, Epoch, Progress, ServerState, Task};

use super::rig::{Rig, promote, set};
use crate::machine::{Durable, Effect, Event, Probe, StepResult};

fn freeze() -> Task {
    Task::Freeze {
        limit: Duration::from_millis(500),
    }
}

#[test]
fn promotion_drains_arms_admits_replicas_and_writes_the_epoch_row_in_that_order() {
    let mut rig = Rig::booted();
    rig.follow(1, "m2");
    rig.facts.received = set("0-2-9");
    rig.event(Event::Facts {
        boot: 1,
        facts: rig.facts.clone(),
    });
    rig.log.clear();
    rig.order(2, promote("0-2-9"));
    assert_eq!(rig.steps(), ["StopReceiving", "Drain", "Arm", "WriteEpoch"]);
    let at = |wanted: &dyn Fn(&Effect) -> bool| rig.log.iter().position(wanted).unwrap();
    let led = at(&|effect| matches!(effect, Effect::Persist(durable) if durable.led == Epoch(2)));
    let arm = at(&|effect| matches!(effect, Effect::Step { step, .. } if format!("{step:?}") == "Arm"));
    let door =
        at(&|effect| matches!(effect, Effect::Door(door) if door.state == DoorState::Replicas { epoch: Epoch(2) }));
    let row =
        at(&|effect| matches!(effect, Effect::Step { step, .. } if format!("{step:?}").starts_with("WriteEpoch")));
    assert!(arm < door && door < row && led < row);
    assert!(matches!(rig.report.progress, Progress::Ready { epoch: Epoch(2), .. }));
    assert_eq!(rig.door.ackable.len(), 2);
}

#[test]
fn a_node_that_lacks_what_is_required_is_not_promoted() {
    let mut rig = Rig::booted();
    rig.order(2, promote("0-2-9"));
    assert!(matches!(&rig.report.progress, Progress::Stuck { why, .. } if why.contains("0-2-9")));
}

#[test]
fn a_primary_is_never_demoted_by_sql() {
    for task in [
        Task::Revoke,
        Task::Follow {
            source: "m2".into(),
            source_door: "m2:1".into(),
        },
    ] {
        let mut rig = Rig::serving(1);
        rig.log.clear();
        rig.order(2, task);
        assert_eq!(rig.steps()[..3], ["KILL", "START", "Salvage"]);
        assert_eq!(rig.report.fenced, Epoch(2));
    }
}

#[test]
fn the_fence_is_confirmed_only_when_the_server_is_reaped() {
    let mut rig = Rig::serving(1);
    let effects = rig.machine.handle(
        rig.now,
        Event::Order(quorate_model::Order {
            epoch: Epoch(2),
            index: 99,
            task: Task::Revoke,
        }),
    );
    let Some(Effect::Persist(durable)) = effects.iter().find(|effect| matches!(effect, Effect::Persist(_))) else {
        panic!("no promise in {effects:?}");
    };
    assert!(
        matches!(&effects[0], Effect::Door(door) if door.state == DoorState::Closed),
        "clients out before anything"
    );
    let effects = rig.machine.handle(rig.now, Event::Persisted(*durable));
    assert!(effects.contains(&Effect::Kill { boot: 1 }));
    let report = super::rig::reports(&effects).pop().unwrap();
    assert_eq!((report.promised, report.fenced), (Epoch(2), Epoch(1)));
    let effects = rig.machine.handle(
        rig.now,
        Event::ServerExited {
            boot: 1,
            exit: "killed by signal 9".into(),
        },
    );
    let report = super::rig::reports(&effects).pop().unwrap();
    assert_eq!(report.fenced, Epoch(2));
    assert!(matches!(report.server, ServerState::Down { .. }));
}

#[test]
fn a_restarted_server_does_not_resume_its_epoch() {
    let mut rig = Rig::serving(1);
    rig.died(1, "killed by signal 9");
    assert!(matches!(&rig.report.server, ServerState::Down { exit: Some(_) }));
    rig.tick(5000);
    assert!(
        matches!(&rig.report.server, ServerState::Running { .. }),
        "booted behind the gate after a while"
    );
    rig.serve(1, &["m2"]);
    assert!(matches!(rig.report.progress, Progress::Stuck { .. }));
    rig.promote(1);
    assert!(matches!(&rig.report.progress, Progress::Stuck { why, .. } if why.contains("new epoch")));
    assert_eq!(rig.door.state, DoorState::Closed);
    rig.promote(2);
    assert!(matches!(rig.report.progress, Progress::Ready { epoch: Epoch(2), .. }));
}

#[test]
fn serve_without_promotion_is_refused() {
    let mut rig = Rig::booted();
    rig.serve(1, &["m2"]);
    rig.lease(1, 1500);
    assert!(matches!(rig.report.progress, Progress::Stuck { .. }));
    assert_eq!(rig.door.state, DoorState::Closed);
}

#[test]
fn freeze_keeps_replicas_and_puts_clients_out() {
    let mut rig = Rig::serving(1);
    rig.facts.binlog_pos = set("0-1-77");
    rig.order(2, freeze());
    assert_eq!(rig.door.state, DoorState::Replicas { epoch: Epoch(1) });
    assert_eq!(
        rig.report.progress,
        Progress::Frozen {
            epoch: Epoch(2),
            position: set("0-1-77")
        }
    );
    rig.lease(1, 1500);
    rig.tick(100);
    assert_eq!(
        rig.door.state,
        DoorState::Replicas { epoch: Epoch(1) },
        "the promise bars the old epoch"
    );
}

#[test]
fn an_aborted_handover_thaws_and_opens_under_the_new_epoch() {
    let mut rig = Rig::serving(1);
    rig.order(2, freeze());
    rig.log.clear();
    rig.promote(2);
    assert_eq!(rig.steps(), ["Thaw", "WriteEpoch"]);
    assert!(matches!(rig.report.progress, Progress::Ready { epoch: Epoch(2), .. }));
    rig.serve(2, &["m2"]);
    rig.lease(2, 1500);
    assert_eq!(rig.door.state, DoorState::Open { epoch: Epoch(2) });
}

#[test]
fn a_freeze_that_does_not_come_is_given_up_and_said() {
    let mut rig = Rig::serving(1);
    rig.hold_steps.push("Freeze");
    rig.order(2, freeze());
    rig.tick(500);
    let id = rig.log.iter().find_map(|effect| match effect {
        Effect::CancelStep { id } => Some(*id),
        _ => None,
    });
    rig.event(Event::StepDone {
        id: id.unwrap(),
        result: StepResult::Failed("given up".into()),
    });
    for _ in 0..2 {
        assert!(
            matches!(rig.report.progress, Progress::Busy { .. }),
            "not before the server was observed"
        );
        rig.event(Event::Facts {
            boot: 1,
            facts: rig.facts.clone(),
        });
    }
    assert!(matches!(&rig.report.progress, Progress::Stuck { why, .. } if why.contains("500 ms")));
    rig.promote(2);
    assert!(matches!(rig.report.progress, Progress::Ready { epoch: Epoch(2), .. }));
}

#[test]
fn only_the_death_of_a_primary_says_where_its_epoch_ended() {
    let mut rig = Rig::serving(1);
    rig.facts.binlog_pos = set("0-1-9");
    rig.died(1, "killed by signal 9");
    assert_eq!(rig.report.final_binlog, Some(set("0-1-9")));
    rig.facts.binlog_pos = set("0-1-8");
    rig.tick(5000);
    rig.died(2, "killed by signal 9");
    assert_eq!(rig.report.final_binlog, Some(set("0-1-9")), "truncated since");
    rig.follow(2, "m2");
    assert_eq!(rig.report.final_binlog, None);
    rig.died(3, "killed by signal 9");
    assert_eq!(rig.report.final_binlog, None, "a replica's end proves nothing");
}

#[test]
fn an_aborted_handover_needs_what_the_new_epoch_requires() {
    let mut rig = Rig::serving(1);
    rig.facts.binlog_pos = set("0-1-77");
    rig.facts.applied = set("0-1-77");
    rig.order(2, freeze());
    rig.order(2, promote("0-1-78"));
    assert!(matches!(&rig.report.progress, Progress::Stuck { why, .. } if why.contains("0-1-78")));
    rig.order(2, promote("0-1-77"));
    assert!(matches!(rig.report.progress, Progress::Ready { .. }));
}

#[test]
fn a_server_that_does_not_come_up_is_started_again_ever_more_rarely() {
    let mut rig = Rig::booted();
    rig.died(1, "killed by signal 9");
    rig.log.clear();
    rig.hold_start = true;
    rig.order(1, Task::Revoke);
    for boot in 2..20 {
        rig.died(boot, "left with code 1");
        rig.tick(1000);
    }
    let starts = rig.steps().len();
    assert!((4..8).contains(&starts), "{starts} starts");
    assert!(matches!(&rig.report.progress, Progress::Stuck { why, .. } if why.contains("left with code 1")));
}

#[test]
fn a_member_that_leaves_is_reported_until_the_server_was_observed_after_the_cut() {
    let mut rig = Rig::serving(1);
    rig.serve(1, &["m2"]);
    assert!(!rig.door.ackable.contains(&"m3".into()));
    assert!(rig.report.ackable.contains(&"m3".into()));
    for still in [true, false] {
        rig.event(Event::Facts {
            boot: 1,
            facts: rig.facts.clone(),
        });
        rig.tick(100);
        assert_eq!(rig.report.ackable.contains(&"m3".into()), still);
    }
}

#[test]
fn a_role_that_was_begun_before_a_restart_of_the_agent_is_not_continued() {
    let mut rig = Rig::with(Durable {
        promised: Epoch(3),
        led: Epoch(3),
        boot: 5,
        failsafe: None,
    });
    rig.tick(1);
    assert_eq!(rig.report.boot_nonce, 6);
    rig.promote(3);
    assert!(matches!(rig.report.progress, Progress::Stuck { .. }));
}

/// Seed 147 of the simulation: the acknowledgement of the epoch row was lost with its connection, and nobody wrote another row.
#[test]
fn a_commit_that_hangs_alone_is_followed_by_another_row() {
    let mut rig = Rig::booted();
    rig.hold_steps.push("WriteEpoch");
    rig.promote(1);
    let boot = rig.machine.durable().boot;
    rig.facts.binlog_pos = set("0-1-1");
    rig.facts.waiting_commits = 1;
    let mut nudges = Vec::new();
    for _ in 0..100 {
        rig.tick(100);
        let facts = rig.facts.clone();
        rig.event(Event::Facts { boot, facts });
        let asked = rig.log.drain(..).filter_map(|effect| match effect {
            Effect::Probe(Probe::Nudge { number, .. }) => Some(number),
            _ => None,
        });
        nudges.extend(asked);
    }
    assert_eq!(nudges, [2, 3, 4, 5, 6], "each on its own row, ever more rarely");
    rig.facts.waiting_commits = 0;
    let facts = rig.facts.clone();
    rig.event(Event::Facts { boot, facts });
    rig.tick(10_000);
    assert!(
        !rig.log
            .iter()
            .any(|effect| matches!(effect, Effect::Probe(Probe::Nudge { .. })))
    );
}
