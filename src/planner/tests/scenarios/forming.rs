//! The first primary, and what looks like it but is not.

use quorate_model::{Cause, Epoch, Phase, Progress, ServerState, Task};

use super::scene::{Ask, Scene, gated, incarnation, node, revoked};

#[test]
fn nodes_are_registered_then_the_first_epoch_begins() {
    let mut scene = Scene::forming();
    let plan = scene.step();
    assert_eq!(plan.changes.len(), 3);
    assert!(plan.waits_for("registered"));
    let plan = scene.step();
    assert_eq!(plan.begins(), Some(&Cause::Bootstrap));
    assert_eq!(scene.state.phase, Phase::Revoking);
}

#[test]
fn a_node_that_is_down_is_booted_behind_the_gate_and_waited_for() {
    let mut scene = Scene::forming();
    scene.step();
    scene.crash("m2");
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert_eq!(plan.task("m2"), Some(&Task::Revoke));
    assert!(plan.waits_for("m2"));
}

#[test]
fn data_without_memory_is_never_bootstrapped() {
    let mut scene = Scene::forming();
    scene.step();
    scene.hear(revoked("m3", 0, "0-3-7"));
    let plan = scene.plan();
    assert!(plan.changes.is_empty());
    assert!(plan.waits_for("restore their Raft logs"));
}

#[test]
fn a_promise_beyond_the_log_stops_everything() {
    let mut scene = Scene::open();
    scene.again("m3", |report| report.promised = Epoch(5));
    let plan = scene.plan();
    assert!(plan.changes.is_empty() && plan.orders.is_empty() && plan.lease.is_none() && plan.routes.is_none());
    assert!(plan.waits_for("restore the latest Raft logs"));
}

#[test]
fn the_first_election_prefers_priority_then_name() {
    let mut scene = Scene::forming();
    scene.step();
    scene.step();
    for name in ["m3", "m2"] {
        let mut report = gated(name);
        report.promised = Epoch(1);
        report.progress = Progress::Revoked { epoch: Epoch(1) };
        scene.hear(report);
    }
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "waits a little for m1");
    assert!(plan.waits_for("preferred"));
    let mut report = gated("m1");
    report.promised = Epoch(1);
    report.progress = Progress::Revoked { epoch: Epoch(1) };
    scene.hear(report);
    let plan = scene.step();
    assert_eq!(plan.elects(), Some(&node("m1")));
    assert_eq!(plan.ack_set(), Some(vec!["m2", "m3"]));
}

#[test]
fn the_first_election_does_not_wait_for_ever() {
    let mut scene = Scene::forming();
    scene.step();
    scene.step();
    scene.pass(2_100);
    for name in ["m3", "m2"] {
        let mut report = gated(name);
        report.promised = Epoch(1);
        report.progress = Progress::Revoked { epoch: Epoch(1) };
        scene.hear(report);
    }
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}

#[test]
fn a_copied_data_directory_is_not_registered() {
    let mut scene = Scene::forming();
    let mut report = gated("m3");
    report.incarnation = incarnation("m1");
    scene.hear(report);
    let plan = scene.step();
    assert_eq!(plan.changes.len(), 2);
    assert!(plan.waits_for("m1 has the same"));
    assert_eq!(scene.plan().begins(), None);
}

#[test]
fn a_server_that_is_starting_is_not_untouched_yet() {
    let mut scene = Scene::forming();
    scene.step();
    scene.again("m1", |report| report.server = ServerState::Starting);
    assert_eq!(scene.plan().begins(), None);
}

#[test]
fn a_node_that_dies_after_the_first_epoch_began_does_not_stop_it() {
    let mut scene = Scene::forming();
    scene.step();
    scene.step();
    scene.pass(2_100);
    for name in ["m1", "m2"] {
        let mut report = gated(name);
        report.promised = Epoch(1);
        report.progress = Progress::Revoked { epoch: Epoch(1) };
        scene.hear(report);
    }
    scene.crash("m3");
    scene.again("m3", |report| report.pristine = false);
    assert_eq!(
        scene.plan().elects(),
        Some(&node("m1")),
        "a server that is down says nothing about its data"
    );
}
