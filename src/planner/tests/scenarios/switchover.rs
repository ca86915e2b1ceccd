//! The planned handover.

use quorate_model::{Cause, Epoch, Phase, Progress, Task};
use quorate_planner::switchover_precheck;

use super::scene::{Ask, Scene, following, node, set};

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

fn check(scene: &Scene, target: Option<&str>) -> Result<String, String> {
    switchover_precheck(&scene.state, &scene.seen, scene.now, target.map(node).as_ref())
        .map(|node| node.to_string())
        .map_err(|refused| format!("{} / {}", refused.why, refused.hint))
}

#[test]
fn the_dry_run_names_the_successor_or_the_obstacle() {
    let mut scene = Scene::open();
    assert_eq!(check(&scene, None).unwrap(), "m2");
    assert_eq!(check(&scene, Some("m3")).unwrap(), "m3");
    assert!(check(&scene, Some("m1")).unwrap_err().contains("primary already"));
    assert!(check(&scene, Some("m9")).unwrap_err().contains("not declared"));
    scene.streams_end(&["m3"]);
    assert!(check(&scene, Some("m3")).unwrap_err().contains("does not replicate"));
    scene.facts("m1", |facts| facts.binlog_pos = set("0-1-9000"));
    assert!(check(&scene, None).unwrap_err().contains("8900 transactions behind"));
    assert!(check(&Scene::failed_over(), None).unwrap_err().contains("not open"));
}

#[test]
fn only_the_old_primary_gets_an_order_and_it_is_to_freeze() {
    let scene = Scene::handing_over();
    let plan = scene.plan();
    assert!(matches!(plan.task("m1"), Some(Task::Freeze { .. })));
    assert_eq!(plan.orders.len(), 1);
    assert!(plan.held_back.iter().any(|held| held.until.is_some()));
}

#[test]
fn the_successor_must_have_everything_up_to_the_frozen_position() {
    let mut scene = Scene::handing_over();
    frozen(&mut scene, "0-1-130");
    assert_eq!(scene.plan().elects(), None);
    scene.hear(following("m3", 1, "m1", "0-1-130"));
    let plan = scene.step();
    assert_eq!(plan.elects(), Some(&node("m3")));
    assert_eq!(plan.ack_set(), Some(vec!["m2"]));
    let plan = scene.plan();
    assert!(matches!(plan.task("m3"), Some(Task::Promote { .. })));
    assert!(matches!(plan.task("m2"), Some(Task::Follow { .. })));
    assert!(
        matches!(plan.task("m1"), Some(Task::Follow { .. })),
        "it is fenced: killed, gated, attached"
    );
}

#[test]
fn a_named_target_is_waited_for() {
    let mut scene = Scene::open();
    scene.switchover(Some("m3"));
    frozen(&mut scene, "0-1-130");
    scene.hear(following("m2", 1, "m1", "0-1-130"));
    assert_eq!(scene.plan().elects(), None);
    scene.hear(following("m3", 1, "m1", "0-1-130"));
    assert_eq!(scene.plan().elects(), Some(&node("m3")));
}

#[test]
fn a_planned_stop_hands_over_first() {
    let mut scene = Scene::open();
    scene.again("m1", |report| report.wants_handover = true);
    let plan = scene.step();
    assert!(matches!(plan.begins(), Some(Cause::Switchover { target: None, .. })));
    assert_eq!(scene.state.phase, Phase::Revoking);
}

#[test]
fn a_planned_stop_of_everything_does_not_pass_the_role_around() {
    let mut scene = Scene::open();
    for name in ["m1", "m2"] {
        scene.again(name, |report| report.wants_handover = true);
    }
    assert!(scene.plan().begins().is_some(), "m3 stays");
    scene.again("m3", |report| report.wants_handover = true);
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("not asked to stop itself"));
}

#[test]
fn a_planned_stop_without_a_successor_is_held_back() {
    let mut scene = Scene::open();
    scene.again("m1", |report| report.wants_handover = true);
    scene.streams_end(&["m2", "m3"]);
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("no replica could take over"));
}

#[test]
fn with_two_nodes_the_old_primary_will_acknowledge() {
    let mut scene = Scene::open();
    let mut spec = scene.state.spec.clone().unwrap();
    spec.nodes.remove(&node("m3"));
    scene.commit(quorate_model::Change::PolicyChanged { spec });
    scene.switchover(None);
    frozen(&mut scene, "0-1-100");
    let plan = scene.plan();
    assert_eq!(plan.elects(), Some(&node("m2")));
    assert_eq!(plan.ack_set(), Some(vec!["m1"]));
}
