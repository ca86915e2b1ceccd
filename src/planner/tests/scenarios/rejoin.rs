//! What a returning node shall be.

use quorate_model::{DoorState, Epoch, NodeState, Phase, Task};

use super::scene::{Ask, Scene, following, node, ready, revoked, serving, set};

/// Epoch 2 open on `m2` from 0-1-100 on; `m3` follows; `m1` is gone.
fn opened() -> Scene {
    let mut scene = Scene::elected();
    scene.hear(ready("m2", 2, "0-2-101", &["m3"]));
    scene.router("r1", 2);
    scene.step();
    assert_eq!(scene.state.phase, Phase::Open);
    scene.hear(serving("m2", 2, "0-2-120", &["m3"]));
    scene.hear(following("m3", 2, "m2", "0-2-120"));
    scene
}

#[test]
fn a_dead_server_boots_behind_the_gate_then_follows() {
    let mut scene = opened();
    assert_eq!(scene.plan().task("m1"), Some(&Task::Revoke));
    scene.hear(revoked("m1", 2, "0-1-100"));
    let plan = scene.plan();
    assert!(
        matches!(plan.task("m1"), Some(Task::Follow { source, source_door }) if *source == node("m2") && source_door == "m2:4000")
    );
}

#[test]
fn an_old_primary_that_thaws_is_gated_before_its_tail_is_judged() {
    let mut scene = opened();
    let mut old = serving("m1", 1, "0-1-104", &["m2", "m3"]);
    old.door = DoorState::Closed;
    scene.hear(old);
    let plan = scene.plan();
    assert_eq!(
        plan.task("m1"),
        Some(&Task::Revoke),
        "its tail may be truncated at boot"
    );
    assert_ne!(plan.nodes[&node("m1")].state, NodeState::Diverged);
    scene.hear(revoked("m1", 2, "0-1-100"));
    assert!(matches!(scene.plan().task("m1"), Some(Task::Follow { .. })));
}

#[test]
fn a_tail_that_survived_the_gate_is_a_divergence() {
    let mut scene = opened();
    scene.hear(revoked("m1", 2, "0-1-104"));
    let plan = scene.plan();
    assert_eq!(plan.task("m1"), Some(&Task::Revoke), "kept harmless");
    assert_eq!(plan.nodes[&node("m1")].state, NodeState::Diverged);
    assert!(plan.waits_for("a rebuild: m1 holds 0-1-104"));
}

#[test]
fn rows_received_from_a_deposed_primary_count_as_divergence_before_they_are_applied() {
    let mut scene = opened();
    scene.hear(following("m1", 1, "m9", "0-1-100"));
    scene.facts("m1", |facts| facts.received = set("0-1-103"));
    assert_eq!(scene.plan().task("m1"), Some(&Task::Revoke));
}

#[test]
fn a_replica_that_missed_the_failover_is_repointed() {
    let mut scene = opened();
    scene.hear(following("m1", 1, "m9", "0-1-90"));
    assert!(matches!(scene.plan().task("m1"), Some(Task::Follow { .. })));
}

#[test]
fn orders_carry_the_agreed_epoch_and_index() {
    let scene = opened();
    for order in scene.plan().orders.values() {
        assert_eq!((order.epoch, order.index), (Epoch(2), scene.state.index));
    }
}
