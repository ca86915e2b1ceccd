//! From elected to open: the order, the proof of the ack set, and the read fence.

use quorate_model::{Epoch, Phase, ReadFence, Task};

use super::scene::{Ask, Scene, following, node, ready, set};

/// Elected and ready, the old primary silent.
fn ready_scene() -> Scene {
    let mut scene = Scene::elected();
    scene.again("m1", |report| report.fenced = Epoch(1));
    scene.hear(ready("m2", 2, "0-2-101", &["m3"]));
    scene.seen.last_grant = Some((Epoch(1), scene.now));
    scene
}

#[test]
fn the_elected_node_is_promoted_and_asked_for_the_agreed_position() {
    let plan = Scene::elected().plan();
    let Some(Task::Promote { ack_set, required, .. }) = plan.task("m2") else {
        panic!("{plan:#?}");
    };
    assert_eq!(ack_set.iter().collect::<Vec<_>>(), [&node("m3")]);
    assert_eq!(required, &set("0-1-100"));
    assert!(matches!(plan.task("m3"), Some(Task::Follow { source, .. }) if *source == node("m2")));
    assert_eq!(plan.task("m1"), Some(&Task::Revoke), "dead: by way of the gate");
    assert!(plan.waits_for("acknowledged epoch row"));
}

#[test]
fn the_old_agents_word_fences_reads() {
    let mut scene = ready_scene();
    assert!(!scene.plan().opens());
    scene.again("m1", |report| {
        report.fenced = Epoch(2);
        report.promised = Epoch(2);
    });
    let plan = scene.step();
    assert!(plan.opens());
    assert_eq!(scene.state.phase, Phase::Open);
}

#[test]
fn every_routers_word_fences_reads() {
    let mut scene = ready_scene();
    scene.router("r1", 1);
    let plan = scene.plan();
    assert!(!plan.opens());
    assert!(plan.waits_for("router r1"));
    scene.router("r1", 2);
    assert!(scene.plan().opens());
}

#[test]
fn a_router_that_came_back_while_it_was_forgotten_counts_too() {
    let mut scene = ready_scene();
    scene.router("r1", 2);
    scene.router("r2", 0);
    let plan = scene.plan();
    assert!(!plan.opens());
    assert!(plan.waits_for("r2"));
}

#[test]
fn the_end_of_the_lease_fences_reads() {
    let mut scene = ready_scene();
    let until = scene.now.after(scene.state.spec.as_ref().unwrap().policy.lease_wait());
    let plan = scene.plan();
    assert_eq!(
        plan.held_back.iter().find_map(|held| held.until),
        Some(until),
        "{:#?}",
        plan.held_back
    );
    scene.now = until;
    scene.refresh_except(&["m1"]);
    assert!(scene.plan().opens());
}

#[test]
fn a_new_leader_waits_a_whole_lease_from_its_own_start() {
    let mut scene = ready_scene();
    scene.seen.last_grant = None;
    scene.seen.leader_since = scene.now;
    scene.pass(1_500);
    scene.refresh_except(&["m1"]);
    assert!(!scene.plan().opens());
    scene.pass(100);
    scene.refresh_except(&["m1"]);
    assert!(scene.plan().opens());
}

#[test]
fn a_bounded_fence_waits_for_nobody() {
    let mut scene = ready_scene();
    scene.seen.leader_since = scene.now;
    scene.policy(|policy| policy.read_fence = ReadFence::Bounded);
    assert!(scene.plan().opens());
}

#[test]
fn a_row_of_another_epoch_opens_nothing() {
    let mut scene = Scene::elected();
    scene.hear(ready("m2", 1, "0-2-101", &["m3"]));
    assert!(!scene.plan().opens());
}

#[test]
fn whoever_returns_helps_a_candidate_whose_ack_set_is_gone() {
    let mut scene = Scene::elected();
    assert_eq!(scene.state.ack_set.len(), 1);
    scene.pass(3_000);
    scene.again("m2", |_| {});
    scene.hear(following("m1", 2, "m2", "0-1-100"));
    let plan = scene.step();
    assert_eq!(plan.ack_set(), Some(vec!["m1", "m3"]));
    assert!(matches!(scene.plan().task("m2"), Some(Task::Promote { ack_set, .. }) if ack_set.len() == 2));
}
