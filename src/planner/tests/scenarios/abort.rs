//! A handover that does not succeed: the old primary leads on, under the new epoch; or it dies in the middle.

use quorate_model::{DoorState, Epoch, Progress, Task};

use super::scene::{Ask, Scene, following, node, ready, revoked, set};

fn frozen(scene: &mut Scene, position: &str) {
    let position = set(position);
    scene.again("m1", |report| {
        report.promised = Epoch(2);
        report.fenced = Epoch(2);
        report.progress = Progress::Frozen {
            epoch: Epoch(2),
            position,
        };
    });
}

#[test]
fn nobody_caught_up_in_time() {
    let mut scene = Scene::handing_over();
    scene.pass(300);
    frozen(&mut scene, "0-1-130");
    assert_eq!(scene.plan().elects(), None);
    scene.pass(301);
    let plan = scene.step();
    assert_eq!(plan.elects(), Some(&node("m1")));
    assert!(plan.orders.is_empty(), "neither frozen again nor killed");
    assert_eq!(
        scene.state.ack_set.len(),
        2,
        "nobody was revoked: both may still acknowledge"
    );
    assert_eq!(scene.state.epoch, Epoch(2));
    assert_eq!(scene.state.required, set("0-1-130"), "a restart in between would show");

    let plan = scene.plan();
    assert!(matches!(plan.task("m1"), Some(Task::Promote { .. })));
    scene.hear(ready("m1", 2, "0-1-131", &["m2", "m3"]));
    assert!(scene.plan().opens(), "it is its own read fence");
}

fn stuck(scene: &mut Scene) {
    scene.again("m1", |report| {
        report.promised = Epoch(2);
        report.door = DoorState::Replicas { epoch: Epoch(1) };
        report.progress = Progress::Stuck {
            epoch: Epoch(2),
            why: "a long transaction".to_owned(),
        };
    });
    scene.facts("m1", |facts| facts.binlog_pos = set("0-1-120"));
}

#[test]
fn commits_that_cannot_be_frozen_abort_once_a_replica_holds_what_was_written() {
    let mut scene = Scene::handing_over();
    scene.pass(500);
    stuck(&mut scene);
    let plan = scene.plan();
    assert_eq!(
        plan.elects(),
        None,
        "101..120 are on m1 only; to require them could block everybody"
    );
    assert!(plan.orders.is_empty());
    assert!(plan.waits_for("everything that the old primary wrote"));
    scene.hear(following("m3", 1, "m1", "0-1-120"));
    let plan = scene.step();
    assert_eq!(plan.elects(), Some(&node("m1")));
    assert!(
        plan.reasons
            .iter()
            .any(|reason| reason.because.contains("a long transaction"))
    );
    assert_eq!(scene.state.required, set("0-1-120"));
}

#[test]
fn an_old_primary_that_neither_freezes_nor_can_be_bounded_is_killed() {
    let mut scene = Scene::handing_over();
    scene.pass(1_601);
    stuck(&mut scene);
    scene.hear(following("m3", 1, "m1", "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None);
    assert_eq!(plan.task("m1"), Some(&Task::Revoke));
}

#[test]
fn one_that_does_not_answer_the_freeze_is_not_opened_in_place() {
    let mut scene = Scene::handing_over();
    scene.pass(700);
    scene.refresh();
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "its clients may still write: nothing bounds that");
    assert!(matches!(plan.task("m1"), Some(Task::Freeze { .. })));
}

#[test]
fn a_late_successor_is_better_than_an_abort() {
    let mut scene = Scene::handing_over();
    scene.pass(650);
    scene.refresh();
    frozen(&mut scene, "0-1-130");
    scene.hear(following("m2", 1, "m1", "0-1-130"));
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}

#[test]
fn the_old_primary_dies_while_frozen() {
    let mut scene = Scene::handing_over();
    frozen(&mut scene, "0-1-130");
    scene.crash("m1");
    let plan = scene.plan();
    for name in ["m1", "m2", "m3"] {
        assert_eq!(plan.task(name), Some(&Task::Revoke), "an ordinary failover now");
    }
    scene.hear(revoked("m2", 2, "0-1-130"));
    scene.hear(revoked("m3", 2, "0-1-130"));
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}

#[test]
fn a_restarted_old_primary_is_never_opened_in_place() {
    let mut scene = Scene::handing_over();
    scene.hear(revoked("m1", 2, "0-1-100"));
    scene.pass(601);
    scene.refresh();
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "it may have lost acknowledged rows at its restart");
    assert_eq!(plan.task("m2"), Some(&Task::Revoke));
}

#[test]
fn a_silent_old_primary_turns_it_into_a_failover() {
    let mut scene = Scene::handing_over();
    scene.pass(700);
    scene.refresh_except(&["m1"]);
    let plan = scene.plan();
    assert_eq!(plan.elects(), None);
    assert_eq!(plan.task("m1"), Some(&Task::Revoke));
}

#[test]
fn after_an_abort_a_failover_still_needs_everyone_who_could_acknowledge() {
    let mut scene = Scene::handing_over();
    frozen(&mut scene, "0-1-130");
    scene.pass(601);
    scene.refresh();
    scene.step();
    scene.crash("m1");
    scene.step();
    assert_eq!(scene.state.epoch, Epoch(3));
    scene.hear(revoked("m2", 3, "0-1-130"));
    assert_eq!(scene.plan().elects(), None);
    scene.hear(revoked("m3", 3, "0-1-125"));
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}
