//! Who may acknowledge: commit before admission, cut and barrier before removal.

use std::time::Duration;

use quorate_model::{Change, EmptyAckSet, Incarnation, Task};

use super::scene::{Ask, Scene, following, incarnation, node, serving};

/// `m3` is out of the ack set and follows.
fn two() -> Scene {
    let mut scene = Scene::open();
    scene.commit(Change::AckSetChanged {
        epoch: scene.state.epoch,
        ack_set: [(node("m2"), incarnation("m2"))].into(),
        evidence: Vec::new(),
    });
    scene.hear(serving("m1", 1, "0-1-100", &["m2"]));
    scene
}

/// `m3` has been silent beyond the patience; the primary still passes on its acknowledgements.
fn failing() -> Scene {
    let mut scene = Scene::open();
    scene.pass(1_200);
    scene.refresh_except(&["m3"]);
    scene
}

fn counted(scene: &Scene) -> Vec<String> {
    let plan = scene.plan();
    match plan.task("m1") {
        Some(Task::Serve { ack_set, .. }) => ack_set.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_replica_that_caught_up_joins_by_a_commit_first() {
    let mut scene = two();
    assert_eq!(counted(&scene), ["m2"]);
    let plan = scene.step();
    assert_eq!(plan.ack_set(), Some(vec!["m2", "m3"]));
    assert_eq!(counted(&scene), ["m2", "m3"]);
}

#[test]
fn a_replica_that_is_behind_waits() {
    let mut scene = two();
    scene.hear(serving("m1", 1, "0-1-400", &["m2"]));
    let plan = scene.plan();
    assert_eq!(plan.ack_set(), None);
    assert!(plan.waits_for("300 transactions are missing"));
}

#[test]
fn a_replica_of_another_primary_or_epoch_does_not_join() {
    for report in [following("m3", 0, "m1", "0-1-100"), following("m3", 1, "m2", "0-1-100")] {
        let mut scene = two();
        scene.hear(report);
        assert_eq!(scene.plan().ack_set(), None);
    }
}

#[test]
fn a_failed_member_is_cut_then_a_barrier_then_it_leaves() {
    let mut scene = failing();
    let plan = scene.plan();
    assert_eq!(plan.ack_set(), None);
    assert!(plan.waits_for("m1 to pass on no acknowledgement of m3"));
    assert_eq!(counted(&scene), ["m2"]);

    scene.hear(serving("m1", 1, "0-1-150", &["m2"]));
    let plan = scene.plan();
    assert_eq!(plan.ack_set(), None, "rows up to 150 may be on m3 only");
    assert!(plan.waits_for("everything up to 0-1-150"));

    scene.hear(following("m2", 1, "m1", "0-1-150"));
    let plan = scene.step();
    assert_eq!(plan.ack_set(), Some(vec!["m2"]));
}

#[test]
fn a_short_miss_is_forgiven() {
    let mut scene = Scene::open();
    scene.pass(900);
    scene.refresh_except(&["m3"]);
    assert_eq!(counted(&scene), ["m2", "m3"]);
    assert_eq!(scene.plan().ack_set(), None);
}

#[test]
fn the_last_sound_member_never_leaves() {
    let mut scene = Scene::open();
    scene.pass(1_200);
    scene.refresh_except(&["m2", "m3"]);
    assert_eq!(counted(&scene), ["m2", "m3"]);
    let plan = scene.plan();
    assert_eq!(plan.ack_set(), None);
    assert!(plan.waits_for("the last one may hold the only copy"));
}

#[test]
fn by_declared_policy_commits_go_on_unprotected() {
    let mut scene = Scene::open();
    scene.policy(|policy| policy.empty_ack_set = EmptyAckSet::Degrade);
    scene.pass(1_200);
    scene.refresh_except(&["m2", "m3"]);
    scene.hear(serving("m1", 1, "0-1-100", &["m3"]));
    let plan = scene.step();
    assert_eq!(plan.ack_set(), None, "the other first gets a chance to hold everything");
    assert!(plan.waits_for("may hold the only copy"));
}

#[test]
fn a_stream_that_ended_counts_from_when_it_was_first_missed() {
    let mut scene = Scene::open();
    scene.streams_end(&["m3"]);
    scene.pass(900);
    scene.refresh();
    assert_eq!(counted(&scene), ["m2", "m3"]);
    scene.pass(200);
    scene.refresh();
    assert_eq!(counted(&scene), ["m2"]);
}

#[test]
fn after_opening_replicas_have_time_to_attach() {
    let mut scene = Scene::open();
    scene.seen.phase_since = scene.now;
    scene.streams_end(&["m2", "m3"]);
    scene.pass(500);
    scene.refresh();
    assert_eq!(counted(&scene), ["m2", "m3"]);
}

#[test]
fn a_member_that_lost_what_it_received_leaves() {
    let mut scene = Scene::open();
    scene.again("m3", |report| report.vouch = false);
    assert_eq!(counted(&scene), ["m2"]);
    scene.hear(serving("m1", 1, "0-1-100", &["m2"]));
    assert_eq!(scene.step().ack_set(), Some(vec!["m2"]));
    let plan = scene.plan();
    assert!(plan.waits_for("its word that it has lost nothing"));
}

#[test]
fn a_wiped_member_leaves_and_is_registered_afterwards() {
    let mut scene = Scene::open();
    let mut wiped = following("m3", 1, "m1", "0-1-100");
    wiped.incarnation = Incarnation::new("new");
    scene.hear(wiped);
    let plan = scene.plan();
    assert!(plan.changes.is_empty());
    assert!(plan.waits_for("m3 to leave the ack set"));
    scene.hear(serving("m1", 1, "0-1-100", &["m2"]));
    assert_eq!(scene.step().ack_set(), Some(vec!["m2"]));
    let plan = scene.step();
    assert!(matches!(plan.changes.as_slice(), [Change::NodeRegistered { .. }]));
    assert_eq!(scene.step().ack_set(), Some(vec!["m2", "m3"]));
    assert_eq!(scene.state.ack_set.get(&node("m3")), Some(&Incarnation::new("new")));
}

#[test]
fn nothing_changes_in_a_pause() {
    let mut scene = failing();
    scene.commit(Change::Paused { why: "test".to_owned() });
    assert_eq!(counted(&scene), ["m2", "m3"]);
    assert_eq!(scene.plan().ack_set(), None);
}

#[test]
fn a_change_computed_from_an_older_set_is_refused() {
    let mut scene = two();
    let stale = scene.plan();
    scene.commit(stale.changes[0].clone());
    let mut set = scene.state.ack_set.clone();
    set.remove(&node("m3"));
    set.remove(&node("m2"));
    let command = quorate_model::Command {
        key: quorate_model::OperationId::new("late"),
        at: quorate_model::UnixMillis(0),
        by: "late".to_owned(),
        change: Change::AckSetChanged {
            epoch: scene.state.epoch,
            ack_set: set,
            evidence: Vec::new(),
        },
    };
    let reply = scene.state.apply(99, &command);
    assert!(matches!(reply, quorate_model::Reply::Refused { .. }));
    assert_eq!(scene.state.ack_set.len(), 2);
}

fn stream(scene: &mut Scene, name: &str, silence_ms: u64) {
    scene.again(name, |report| {
        report.source_silence = Some(Duration::from_millis(silence_ms));
    });
}

/// On a loaded machine `m3` left ("nothing received for 2282 ms") and joined ("0 transactions behind") twenty times a second.
#[test]
fn a_member_whose_stream_stutters_does_not_come_and_go() {
    let mut scene = Scene::open();
    for _ in 0..50 {
        scene.pass(30);
        scene.refresh();
        stream(&mut scene, "m3", 2_282);
        assert_eq!(counted(&scene), ["m2", "m3"], "one report is no silence");
        assert_eq!(scene.plan().ack_set(), None);
        scene.pass(30);
        stream(&mut scene, "m3", 10);
        assert_eq!(scene.plan().ack_set(), None);
    }
}

#[test]
fn a_member_whose_received_position_moves_is_not_silent() {
    let mut scene = Scene::open();
    for seq in 101..150 {
        scene.pass(100);
        scene.refresh();
        stream(&mut scene, "m3", 2_282);
        scene.facts("m3", |facts| facts.received = format!("0-1-{seq}").parse().unwrap());
        assert_eq!(counted(&scene), ["m2", "m3"]);
    }
}

#[test]
fn a_member_that_is_silent_in_several_reports_leaves_and_joins_once_it_is_steady() {
    let mut scene = Scene::open();
    for silence_ms in [700, 900, 1_100] {
        scene.pass(200);
        scene.refresh();
        stream(&mut scene, "m3", silence_ms);
    }
    assert_eq!(counted(&scene), ["m2"]);
    scene.hear(serving("m1", 1, "0-1-100", &["m2"]));
    assert_eq!(scene.step().ack_set(), Some(vec!["m2"]));
    for _ in 0..9 {
        scene.pass(100);
        scene.refresh();
        stream(&mut scene, "m3", 10);
        let plan = scene.plan();
        assert_eq!(plan.ack_set(), None);
        assert!(plan.waits_for("to be steady"));
    }
    scene.pass(200);
    scene.refresh();
    stream(&mut scene, "m3", 10);
    assert_eq!(scene.step().ack_set(), Some(vec!["m2", "m3"]));
}

#[test]
fn without_a_sound_member_nobody_waits_for_a_steady_stream() {
    let mut scene = two();
    stream(&mut scene, "m3", 700);
    assert_eq!(scene.plan().ack_set(), None);
    scene.streams_end(&["m2"]);
    assert_eq!(scene.step().ack_set(), Some(vec!["m2", "m3"]));
}
