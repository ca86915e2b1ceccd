//! From a dead primary to an elected one: what is safe, who is chosen, what blocks.

use quorate_model::{Change, Incarnation, Phase, Progress, ServerState, Task};

use super::scene::{Ask, Scene, following, node, revoked, set};

#[test]
fn everybody_is_revoked_first() {
    let plan = Scene::failed_over().plan();
    for name in ["m1", "m2", "m3"] {
        assert_eq!(plan.task(name), Some(&Task::Revoke), "{name}");
    }
    assert_eq!(plan.elects(), None);
    assert!(plan.lease.is_none());
    assert!(plan.routes.unwrap().writable.is_none());
    assert!(
        plan.held_back
            .iter()
            .any(|held| held.waiting_for.contains("m2 must be revoked for epoch 2"))
    );
}

#[test]
fn the_most_advanced_leads_when_the_whole_ack_set_has_spoken() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), None, "m3 may have acknowledged more");
    scene.hear(revoked("m3", 2, "0-1-102"));
    let plan = scene.step();
    assert_eq!(plan.elects(), Some(&node("m3")));
    assert_eq!(plan.ack_set(), Some(vec!["m2"]));
    assert_eq!(scene.state.required, set("0-1-102"));
}

#[test]
fn at_equal_positions_the_shorter_backlog_leads() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.facts("m2", |facts| facts.applied = set("0-1-60"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), Some(&node("m3")));
}

#[test]
fn a_confirmation_of_a_lower_epoch_is_none() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 1, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None);
    assert!(plan.waits_for("m3 must be revoked for epoch 2"));
}

#[test]
fn a_member_that_does_not_vouch_blocks() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-40"));
    scene.again("m3", |report| report.vouch = false);
    let plan = scene.plan();
    assert_eq!(plan.elects(), None);
    assert!(plan.waits_for("m3 does not vouch"));
}

#[test]
fn a_wiped_member_blocks() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    let mut wiped = revoked("m3", 2, "");
    wiped.incarnation = Incarnation::new("new");
    wiped.pristine = true;
    scene.hear(wiped);
    let plan = scene.plan();
    assert!(
        plan.changes.is_empty(),
        "not even registered: its old directory is part of the proof"
    );
    assert!(plan.waits_for("its data directory was replaced"));
}

#[test]
fn the_word_of_a_member_that_died_afterwards_counts() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m3", 2, "0-1-100"));
    scene.pass(3_000);
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.again("m1", |_| {});
    assert_eq!(scene.plan().elects(), None, "m1 is booting, and may hold more");
    scene.hear(revoked("m1", 2, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), Some(&node("m2")));
    assert_eq!(plan.ack_set(), Some(vec!["m1"]), "m3 is not there");
}

#[test]
fn a_silent_candidate_is_not_elected() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m3", 2, "0-1-101"));
    scene.pass(3_000);
    scene.hear(revoked("m2", 2, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "m3 has more, and it is gone");
    assert!(plan.waits_for("less than 0-1-101 of m3"));
}

#[test]
fn proof_of_death_with_the_whole_binlog_replaces_a_lost_member() {
    let mut scene = Scene::failed_over();
    let end = Some(set("0-1-100"));
    scene.again("m1", |report| {
        report.promised = scene_epoch(2);
        report.fenced = scene_epoch(2);
        report.final_binlog = end.clone();
    });
    scene.hear(revoked("m2", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), None, "nobody to acknowledge yet");
    scene.hear(revoked("m1", 2, "0-1-98"));
    scene.again("m1", |report| report.final_binlog = end);
    let plan = scene.plan();
    assert_eq!(
        plan.elects(),
        Some(&node("m2")),
        "m3 was never revoked, and need not be"
    );
    assert_eq!(plan.ack_set(), Some(vec!["m1"]));
}

#[test]
fn proof_of_death_does_not_help_one_who_lacks_the_tail() {
    let mut scene = Scene::failed_over();
    scene.again("m1", |report| {
        report.promised = quorate_model::Epoch(2);
        report.final_binlog = Some(set("0-1-101"));
    });
    scene.hear(revoked("m2", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), None);
}

#[test]
fn an_empty_binlog_of_a_wiped_primary_proves_nothing() {
    let mut scene = Scene::elected();
    scene.hear(super::scene::ready("m2", 2, "0-2-101", &["m3"]));
    scene.step();
    assert_eq!(scene.state.phase, Phase::Open);
    scene.hear(super::scene::serving("m2", 2, "0-2-120", &["m3"]));
    scene.step();
    scene.crash("m2");
    scene.again("m2", |report| report.incarnation = Incarnation::new("new"));
    scene.step();
    scene.again("m2", |report| {
        report.promised = scene_epoch(3);
        report.fenced = scene_epoch(3);
        report.final_binlog = Some(set(""));
    });
    scene.hear(revoked("m1", 3, "0-1-100"));
    assert_eq!(scene.plan().elects(), None);
}

const fn scene_epoch(epoch: u64) -> quorate_model::Epoch {
    quorate_model::Epoch(epoch)
}

#[test]
fn the_old_primary_may_lead_again_after_the_gate() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m1", 2, "0-1-103"));
    scene.hear(revoked("m2", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), None, "m3 has not spoken");
    scene.hear(revoked("m3", 2, "0-1-101"));
    assert_eq!(scene.plan().elects(), Some(&node("m1")));
}

#[test]
fn a_replica_is_preferred_to_the_one_that_just_failed() {
    let mut scene = Scene::failed_over();
    for name in ["m1", "m2", "m3"] {
        scene.hear(revoked(name, 2, "0-1-100"));
    }
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}

#[test]
fn nobody_leads_without_anyone_to_acknowledge() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m3", 2, "0-1-100"));
    scene.pass(3_000);
    scene.hear(revoked("m2", 2, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "m1 and m3 are silent");
    assert!(plan.waits_for("another node on the same history"));
}

#[test]
fn a_candidate_lost_before_opening_leads_to_the_next_epoch_and_its_position_stays_required() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-102"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    scene.step();
    assert_eq!(scene.state.primary, Some(node("m2")));
    scene.crash("m2");
    scene.step();
    assert_eq!(scene.state.epoch.0, 3);
    assert_eq!(scene.state.deposed, Some(node("m1")), "the last one that served");
    scene.hear(revoked("m3", 3, "0-1-100"));
    scene.hear(revoked("m1", 3, "0-1-101"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "101 and 102 may have been acknowledged by m2");
    assert!(plan.waits_for("less than the agreed 0-1-102"));
    scene.hear(revoked("m2", 3, "0-1-102"));
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}

#[test]
fn an_errant_tail_excludes_a_candidate() {
    let mut scene = Scene::elected();
    scene.crash("m2");
    scene.step();
    scene.hear(revoked("m1", 3, "0-1-105"));
    scene.hear(revoked("m3", 3, "0-1-100"));
    assert_eq!(scene.plan().elects(), None, "0-1-101..105 of m1 belong to no term");
    scene.hear(revoked("m2", 3, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), Some(&node("m2")));
    assert_eq!(plan.ack_set(), Some(vec!["m3"]));
}

#[test]
fn a_new_leader_continues_where_its_predecessor_fell() {
    let mut scene = Scene::failed_over();
    scene.seen = quorate_model::Observations::new("s2".into(), scene.now);
    let plan = scene.plan();
    assert!(plan.changes.is_empty());
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    assert_eq!(scene.plan().elects(), Some(&node("m2")));
}

#[test]
fn an_empty_ack_set_is_never_a_proof() {
    let mut scene = Scene::open();
    scene.policy(|policy| policy.empty_ack_set = quorate_model::EmptyAckSet::Degrade);
    for rest in [vec!["m2"], vec![]] {
        let ack_set = rest
            .iter()
            .map(|name| (node(name), super::scene::incarnation(name)))
            .collect();
        scene.commit(Change::AckSetChanged {
            epoch: scene.state.epoch,
            ack_set,
            evidence: Vec::new(),
        });
    }
    scene.crash("m1");
    scene.step();
    for name in ["m2", "m3"] {
        scene.hear(revoked(name, 2, "0-1-100"));
    }
    let plan = scene.plan();
    assert_eq!(plan.elects(), None);
    assert!(plan.waits_for("nobody but the old primary"));
    scene.again("m1", |report| {
        report.promised = scene_epoch(2);
        report.final_binlog = Some(set("0-1-100"));
    });
    assert_eq!(
        scene.plan().elects(),
        Some(&node("m2")),
        "the proof of death still counts"
    );
}

#[test]
fn priority_zero_never_leads() {
    let mut scene = Scene::failed_over();
    let mut spec = scene.state.spec.clone().unwrap();
    spec.nodes.get_mut(&node("m2")).unwrap().priority = 0;
    scene.commit(Change::PolicyChanged { spec });
    scene.hear(revoked("m2", 2, "0-1-101"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(plan.elects(), None, "m3 lacks 101");
    assert!(plan.waits_for("priority 0"));
}

#[test]
fn a_replica_still_following_is_not_revoked() {
    let mut scene = Scene::failed_over();
    scene.hear(following("m2", 1, "m1", "0-1-100"));
    scene.hear(following("m3", 1, "m1", "0-1-100"));
    assert_eq!(scene.plan().elects(), None);
}

#[test]
fn a_hung_or_dead_server_of_a_member_has_no_position() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    scene.again("m3", |report| {
        report.server = ServerState::Starting;
        report.progress = Progress::Revoked { epoch: scene_epoch(2) };
    });
    assert_eq!(scene.plan().elects(), None);
}

#[test]
fn a_member_that_diverged_before_it_could_acknowledge_blocks_nobody() {
    let mut scene = Scene::elected();
    scene.commit(Change::AckSetChanged {
        epoch: scene.state.epoch,
        ack_set: ["m1", "m3"]
            .map(|name| (node(name), super::scene::incarnation(name)))
            .into(),
        evidence: Vec::new(),
    });
    scene.crash("m2");
    scene.step();
    scene.hear(revoked("m1", 3, "0-1-105"));
    scene.hear(revoked("m2", 3, "0-1-100"));
    scene.hear(revoked("m3", 3, "0-1-100"));
    assert_eq!(
        scene.plan().elects(),
        Some(&node("m2")),
        "0-1-101..105 of m1 were never acknowledged"
    );
}

#[test]
fn a_node_on_its_way_is_waited_for_if_there_is_no_other_witness() {
    let mut scene = Scene::open();
    scene.commit(Change::AckSetChanged {
        epoch: scene.state.epoch,
        ack_set: [(node("m3"), super::scene::incarnation("m3"))].into(),
        evidence: Vec::new(),
    });
    scene.pass(3_000);
    scene.again("m3", |_| {});
    scene.crash("m1");
    scene.step();
    scene.hear(revoked("m3", 2, "0-1-100"));
    let plan = scene.plan();
    assert_eq!(
        plan.elects(),
        None,
        "m1 may come back with rows that nobody acknowledged, and m2 may hold them too"
    );
    scene.hear(revoked("m1", 2, "0-1-101"));
    assert_eq!(scene.plan().elects(), Some(&node("m1")));
}
