//! When a term is over, and when it only looks so.

use std::time::Duration;

use quorate_model::{Cause, Change, DoorState, Incarnation, Progress, ServerState};

use super::scene::{Ask, Scene, node};

/// `m1` silent for a second, the others heard just now.
fn silent() -> Scene {
    let mut scene = Scene::open();
    scene.pass(1_000);
    scene.refresh_except(&["m1"]);
    scene
}

fn stale_streams(scene: &mut Scene) {
    for name in ["m2", "m3"] {
        scene.again(name, |report| report.source_silence = Some(Duration::from_millis(900)));
    }
}

#[test]
fn a_dead_server_ends_the_term_at_once() {
    let mut scene = Scene::open();
    scene.crash("m1");
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
}

#[test]
fn a_dead_server_ends_the_term_even_without_a_successor() {
    let mut scene = Scene::open();
    scene.crash("m2");
    scene.crash("m3");
    scene.crash("m1");
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
}

#[test]
fn a_restarted_server_does_not_lead_on() {
    for progress in [
        Progress::Idle,
        Progress::Revoked {
            epoch: quorate_model::Epoch(1),
        },
    ] {
        let mut scene = Scene::open();
        scene.again("m1", |report| {
            report.progress = progress;
            report.door = DoorState::Closed;
        });
        assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
    }
    let mut scene = Scene::open();
    scene.again("m1", |report| report.server = ServerState::Starting);
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
}

#[test]
fn a_restart_that_nobody_saw_shows_in_semi_sync() {
    let mut scene = Scene::open();
    let stuck = Progress::Stuck {
        epoch: quorate_model::Epoch(1),
        why: "not ready".to_owned(),
    };
    scene.again("m1", |report| report.progress = stuck);
    assert_eq!(scene.plan().begins(), None, "stuck, but in its role");
    scene.facts("m1", |facts| facts.semi_sync_armed = false);
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
}

#[test]
fn a_replaced_directory_does_not_lead_on() {
    let mut scene = Scene::open();
    scene.again("m1", |report| report.incarnation = Incarnation::new("other"));
    let plan = scene.plan();
    assert_eq!(plan.begins(), Some(&Cause::PrimaryDown));
    assert!(
        !plan
            .changes
            .iter()
            .any(|change| matches!(change, Change::NodeRegistered { .. }))
    );
}

#[test]
fn silence_needs_a_second_witness() {
    let mut scene = silent();
    stale_streams(&mut scene);
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("another voter"));
    scene.witness("m1", 900);
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimarySilent));
}

#[test]
fn a_stale_view_of_another_voter_is_no_witness() {
    let mut scene = silent();
    scene.witness("m1", 900);
    scene.pass(1_200);
    scene.refresh_except(&["m1"]);
    stale_streams(&mut scene);
    assert_eq!(scene.plan().begins(), None);
}

#[test]
fn a_primary_that_still_feeds_its_replicas_is_not_dead() {
    let mut scene = silent();
    scene.witness("m1", 900);
    let plan = scene.plan();
    assert_eq!(plan.begins(), None, "overload, or only the supervisors are cut off");
    assert!(plan.waits_for("they still receive from it"));
}

#[test]
fn a_slow_node_has_a_longer_threshold_within_the_cap() {
    let mut scene = silent();
    stale_streams(&mut scene);
    scene.witness("m1", 1_000);
    scene.seen.thresholds.insert(node("m1"), Duration::from_millis(1_500));
    assert_eq!(scene.plan().begins(), None);
    scene.seen.thresholds.insert(node("m1"), Duration::from_millis(1));
    assert_eq!(
        scene.plan().begins(),
        Some(&Cause::PrimarySilent),
        "never below the floor, but beyond it"
    );
}

#[test]
fn a_broken_link_and_ended_streams_need_no_threshold() {
    let mut scene = Scene::open();
    scene.link_breaks("m1", false);
    assert_eq!(scene.plan().begins(), None, "a broken link alone says little");
    scene.pass(10);
    scene.streams_end(&["m2", "m3"]);
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimarySilent));
}

#[test]
fn a_broken_link_at_two_voters_counts_unless_a_replica_is_still_fed() {
    let mut scene = Scene::open();
    scene.pass(10);
    scene.link_breaks("m1", true);
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimarySilent));
    scene.pass(10);
    scene.again("m2", |_| {});
    assert_eq!(scene.plan().begins(), None, "m2 still receives from it");
}

#[test]
fn silence_without_a_successor_is_held_back() {
    let mut scene = silent();
    scene.witness("m1", 900);
    stale_streams(&mut scene);
    scene.again("m3", |report| report.vouch = false);
    let plan = scene.plan();
    assert_eq!(plan.begins(), None, "the writes may still go on");
    assert!(plan.waits_for("a successor: m3 does not vouch"));
}

#[test]
fn a_cut_replication_path_ends_the_term_of_a_living_primary() {
    let mut scene = Scene::open();
    scene.again("m1", |report| report.probes.commit_stuck = Duration::from_millis(1_100));
    assert_eq!(scene.plan().begins(), None, "replicas are fed: slow, not cut");
    scene.streams_end(&["m2"]);
    assert_eq!(scene.plan().begins(), None);
    scene.streams_end(&["m3"]);
    assert_eq!(
        scene.plan().begins(),
        None,
        "streams that are taken up again are no cut"
    );
    scene.pass(1_000);
    scene.refresh();
    assert_eq!(scene.plan().begins(), Some(&Cause::ReplicationCut));
}

/// One transaction of 16 MB on a loaded machine: both replicas were still receiving it when its primary was killed.
#[test]
fn a_big_transaction_that_is_still_received_is_no_cut() {
    let mut scene = Scene::open();
    scene.again("m1", |report| report.probes.commit_stuck = Duration::from_millis(4_879));
    scene.facts("m1", |facts| {
        facts.waiting_commits = 1;
        facts.binlog_pos = "0-1-101".parse().unwrap();
    });
    for silence_ms in [350, 20, 900, 1_500, 10].repeat(10) {
        scene.pass(200);
        scene.refresh();
        for name in ["m2", "m3"] {
            scene.again(name, |report| {
                report.source_silence = Some(Duration::from_millis(silence_ms));
            });
        }
        assert_eq!(scene.plan().begins(), None, "{silence_ms} ms");
    }
}

#[test]
fn streams_without_a_byte_end_the_term_of_a_primary_whose_commits_hang() {
    let mut scene = Scene::open();
    let mut begun = None;
    for silence_ms in [100, 300, 500, 700, 900, 1_100] {
        assert_eq!(begun, None, "before {silence_ms} ms");
        scene.pass(200);
        scene.refresh();
        scene.again("m1", |report| {
            report.probes.commit_stuck = Duration::from_millis(silence_ms);
        });
        for name in ["m2", "m3"] {
            scene.again(name, |report| {
                report.source_silence = Some(Duration::from_millis(silence_ms));
            });
        }
        begun = scene.plan().begins().cloned();
    }
    assert_eq!(begun, Some(Cause::ReplicationCut));
}

/// A commit stood for 34 s although both replicas had applied it: the acknowledgement was lost, and none says it again.
#[test]
fn commits_that_everybody_has_received_do_not_wait_for_ever() {
    let mut scene = Scene::open();
    scene.facts("m1", |facts| facts.waiting_commits = 1);
    scene.again("m1", |report| report.probes.commit_stuck = Duration::from_millis(4_900));
    assert_eq!(scene.plan().begins(), None, "one more row may free them");
    scene.again("m1", |report| report.probes.commit_stuck = Duration::from_millis(5_000));
    assert_eq!(scene.plan().begins(), Some(&Cause::ReplicationCut));
    scene.facts("m1", |facts| facts.binlog_pos = "0-1-101".parse().unwrap());
    assert_eq!(scene.plan().begins(), None, "it is still on its way");
    scene.facts("m1", |facts| {
        facts.binlog_pos = "0-1-100".parse().unwrap();
        facts.waiting_commits = 0;
    });
    assert_eq!(scene.plan().begins(), None, "something else holds them up");
}

#[test]
fn dead_replicas_are_no_reason_to_depose_a_primary() {
    let mut scene = Scene::open();
    scene.crash("m2");
    scene.crash("m3");
    scene.pass(1_000);
    scene.refresh();
    scene.again("m1", |report| report.probes.commit_stuck = Duration::from_secs(10));
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("its server does not run"));
}

#[test]
fn a_stalled_disk_ends_the_term() {
    let mut scene = Scene::open();
    scene.again("m1", |report| report.probes.disk_stalled = Duration::from_millis(1_500));
    assert_eq!(scene.plan().begins(), Some(&Cause::DiskStalled));
}

#[test]
fn flapping_is_bounded_but_proven_deaths_are_not() {
    let mut scene = silent();
    scene.witness("m1", 900);
    stale_streams(&mut scene);
    scene.seen.recent_suspicions = 10;
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("flap budget"));
    scene.crash("m1");
    assert_eq!(scene.plan().begins(), Some(&Cause::PrimaryDown));
}

#[test]
fn nothing_is_begun_in_a_pause_and_the_lease_goes_on() {
    let mut scene = Scene::open();
    scene.commit(Change::Paused {
        why: "maintenance".to_owned(),
    });
    scene.crash("m1");
    let plan = scene.plan();
    assert_eq!(plan.begins(), None);
    assert!(plan.waits_for("paused"));
    assert_eq!(plan.lease, Some((node("m1"), scene.state.epoch)));
}

#[test]
fn a_silent_candidate_is_given_up_if_there_is_another() {
    let mut scene = Scene::elected();
    scene.pass(1_000);
    scene.refresh_except(&["m2"]);
    scene.witness("m2", 900);
    let plan = scene.plan();
    assert_eq!(plan.begins(), None, "m1 is down, m3 would have nobody to acknowledge");
    assert!(plan.waits_for("nobody could acknowledge"));
    scene.hear(super::scene::revoked("m1", 2, "0-1-100"));
    assert_eq!(scene.plan().begins(), Some(&Cause::CandidateLost));
}

#[test]
fn a_candidate_stuck_for_long_is_given_up() {
    let mut scene = Scene::elected();
    scene.hear(super::scene::revoked("m1", 2, "0-1-100"));
    scene.again("m2", |report| {
        report.progress = Progress::Stuck {
            epoch: quorate_model::Epoch(2),
            why: "applier stopped".to_owned(),
        };
    });
    assert_eq!(scene.plan().begins(), None);
    scene.pass(5_100);
    scene.refresh();
    assert_eq!(scene.plan().begins(), Some(&Cause::CandidateLost));
}

/// Seed 128 of the simulation: with two nodes left, a candidate whose server was restarted stayed elected for ever.
#[test]
fn a_candidate_that_is_there_can_acknowledge_its_successor() {
    let mut scene = Scene::elected();
    scene.again("m2", |report| {
        report.progress = Progress::Stuck {
            epoch: quorate_model::Epoch(2),
            why: "the server was restarted since it was made primary".to_owned(),
        };
    });
    scene.pass(11_000);
    scene.refresh_except(&["m1"]);
    assert_eq!(scene.plan().begins(), Some(&Cause::CandidateLost));
}

/// Seed 1284 of the simulation: a candidate that alone holds what is required, restarted, stayed elected for ever.
#[test]
fn a_candidate_that_alone_holds_what_is_required_tries_again_under_a_new_epoch() {
    let mut scene = Scene::elected();
    scene.again("m2", |report| {
        report.progress = Progress::Stuck {
            epoch: quorate_model::Epoch(2),
            why: "the server was restarted since it was made primary".to_owned(),
        };
    });
    scene.facts("m3", |facts| {
        facts.received = "0-1-90".parse().unwrap();
        facts.applied = "0-1-90".parse().unwrap();
    });
    scene.pass(11_000);
    scene.refresh_except(&["m1"]);
    assert_eq!(scene.plan().begins(), Some(&Cause::CandidateLost));
}
