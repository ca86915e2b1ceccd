//! Everything goes dark and comes back, in any order.

use quorate_model::{Cause, Moment, Observations, Phase, Progress, ServerState, Task};

use super::scene::{Ask, Scene, gated, node, revoked, serving, set};

/// All three nodes lost power; nothing was heard since.
fn dark() -> Scene {
    let mut scene = Scene::open();
    scene.seen = Observations::new("s1".into(), scene.now);
    scene
}

/// The agent is back, its server is not.
fn back(scene: &mut Scene, name: &str) {
    let mut report = gated(name);
    report.pristine = false;
    report.promised = scene.state.epoch;
    report.vouch = false;
    report.progress = Progress::Idle;
    report.server = ServerState::Down { exit: None };
    scene.hear(report);
}

#[test]
fn replicas_that_return_first_boot_salvage_and_wait() {
    let mut scene = dark();
    back(&mut scene, "m2");
    assert_eq!(scene.plan().task("m2"), Some(&Task::Revoke));
    scene.hear(revoked("m2", 1, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.forecast.successor.is_none());
}

#[test]
fn the_primary_returns_first_and_leads_nothing_by_itself() {
    let mut scene = dark();
    back(&mut scene, "m1");
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
    scene.step();
    scene.hear(revoked("m1", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), None, "m2 or m3 may hold more than survived here");
}

#[test]
fn in_any_order_the_most_advanced_leads_once_all_who_could_acknowledge_have_spoken() {
    for order in [
        ["m1", "m2", "m3"],
        ["m1", "m3", "m2"],
        ["m2", "m1", "m3"],
        ["m2", "m3", "m1"],
        ["m3", "m1", "m2"],
        ["m3", "m2", "m1"],
    ] {
        let mut scene = dark();
        for name in order {
            scene.pass(100);
            back(&mut scene, name);
            scene.step();
        }
        assert_eq!(scene.state.phase, Phase::Revoking, "{order:?}");
        let epoch = scene.state.epoch.0;
        scene.hear(revoked("m1", epoch, "0-1-99"));
        scene.hear(revoked("m2", epoch, "0-1-100"));
        assert_eq!(scene.plan().elects(), None, "{order:?}");
        scene.hear(revoked("m3", epoch, "0-1-101"));
        assert_eq!(scene.plan().elects(), Some(&node("m3")), "{order:?}");
    }
}

#[test]
fn both_replicas_return_and_the_primary_never_does() {
    let mut scene = dark();
    for name in ["m2", "m3"] {
        scene.hear(revoked(name, 1, "0-1-100"));
    }
    scene.pass(2_500);
    scene.refresh();
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("another voter"));
    scene.witness("m1", 2_400);
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimarySilent));
}

#[test]
fn a_led_it_dies_b_leads_it_dies_a_returns_alone_and_stays_blocked() {
    let mut scene = Scene::elected();
    scene.hear(super::scene::ready("m2", 2, "0-2-101", &["m3"]));
    scene.router("r1", 2);
    scene.step();
    scene.hear(serving("m2", 2, "0-2-150", &["m3"]));
    scene.crash("m3");
    scene.crash("m2");
    scene.step();
    assert_eq!(scene.state.epoch.0, 3);
    scene.pass(60_000);
    scene.hear(revoked("m1", 3, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "101..150 are on m2 and m3 only");
    assert!(plan.waits_for("m3 must be revoked"));
    scene.hear(revoked("m3", 3, "0-2-150"));
    assert_eq!(scene.plan().elects(), Some(&node("m3")));
    assert!(scene.plan().ack_set().is_some_and(|set| set == ["m1"]));
}

#[test]
fn a_salvage_that_lost_something_blocks_with_a_reason() {
    let mut scene = dark();
    back(&mut scene, "m1");
    scene.step();
    scene.hear(revoked("m1", 2, "0-1-100"));
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-70"));
    scene.again("m3", |report| report.vouch = false);
    assert!(scene.plan().waits_for("m3 does not vouch"));
    scene.again("m1", |report| report.final_binlog = Some(set("0-1-100")));
    assert_eq!(
        scene.plan().elects(),
        Some(&node("m2")),
        "the whole binlog of the old primary is there"
    );
}

#[test]
fn time_starts_anywhere() {
    let mut scene = dark();
    scene.now = Moment::ZERO;
    scene.seen = Observations::new("s1".into(), Moment::ZERO);
    let plan = scene.plan();
    assert!(plan.changes.is_empty());
}
