//! Routers: admitted, confirmed, forgotten; and the table that they follow.

use quorate_model::{Change, RouterId, Task};

use super::scene::{Ask, Scene, node, serving};

#[test]
fn a_router_that_reports_is_admitted_by_a_commit_first() {
    let mut scene = Scene::open();
    scene.router("r2", 1);
    let admits = |scene: &Scene| match scene.plan().task("m1") {
        Some(Task::Serve { routers, .. }) => routers.contains(&RouterId::new("r2")),
        other => panic!("{other:?}"),
    };
    assert!(!admits(&scene));
    scene.step();
    assert!(admits(&scene));
}

#[test]
fn a_router_is_forgotten_only_after_the_door_is_shut_to_it() {
    let mut scene = Scene::open();
    scene.pass(61_000);
    for name in ["m2", "m3"] {
        scene.again(name, |_| {});
    }
    scene.again("m1", |_| {});
    let plan = scene.plan();
    assert!(
        !plan
            .changes
            .iter()
            .any(|change| matches!(change, Change::RouterRemoved { .. }))
    );
    assert!(plan.waits_for("the primary's door to admit it no more"));
    assert!(matches!(plan.task("m1"), Some(Task::Serve { routers, .. }) if routers.is_empty()));
    let mut report = serving("m1", 1, "0-1-100", &["m2", "m3"]);
    report.admitted.clear();
    scene.hear(report);
    scene.step();
    assert!(scene.state.routers.is_empty());
}

#[test]
fn the_table_names_a_primary_only_while_its_epoch_is_open() {
    let scene = Scene::open();
    let table = scene.plan().routes.unwrap();
    assert_eq!(table.writable.unwrap().node, node("m1"));
    let readers: Vec<String> = table.readable.iter().map(|to| to.node.to_string()).collect();
    assert_eq!(readers, ["m2", "m3"]);
    assert_eq!(table.elected, None);
    for (scene, elected) in [
        (Scene::forming(), None),
        (Scene::failed_over(), None),
        (Scene::elected(), Some(node("m2"))),
    ] {
        let table = scene.plan().routes.unwrap();
        assert!(table.writable.is_none());
        assert_eq!(table.elected.map(|to| to.node), elected);
    }
}

#[test]
fn a_lagging_replica_serves_no_reads() {
    let mut scene = Scene::open();
    scene.facts("m2", |facts| facts.lag_ms = Some(60_000));
    scene.facts("m3", |facts| facts.applier = false);
    assert!(scene.plan().routes.unwrap().readable.is_empty());
}
