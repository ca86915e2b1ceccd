//! When a primary is given up.

use std::time::Duration;

use quorate_model::{Cause, Change, Command};

use super::rig::{Rig, proposed};
use crate::machine::{Effect, Event};

fn begun<'a>(commands: &[&'a Command]) -> Option<&'a Cause> {
    commands.iter().find_map(|command| match &command.change {
        Change::Begin { cause, .. } => Some(cause),
        _ => None,
    })
}

#[test]
fn a_healthy_cluster_is_left_alone() {
    let mut rig = Rig::leading();
    assert!(proposed(&rig.run(Duration::from_secs(5), &["m1", "m2", "m3"])).is_empty());
}

#[test]
fn a_reported_death_begins_an_epoch_within_the_same_call() {
    let mut rig = Rig::leading();
    let dead = rig.dead("m1");
    let effects = rig.report(dead);
    assert_eq!(begun(&proposed(&effects)), Some(&Cause::PrimaryDown));
}

#[test]
fn silence_here_alone_is_no_death() {
    let mut rig = Rig::leading();
    let cut = |since: Duration, report: &mut quorate_model::AgentReport| report.source_silence = Some(since);
    for _ in 0..50 {
        assert!(proposed(&rig.run_with(Duration::from_millis(100), &["m2", "m3"], cut)).is_empty());
        // The others hear it.
        rig.view("s2", Duration::from_millis(50));
        rig.view("s3", Duration::from_millis(50));
    }
}

#[test]
fn silence_is_a_death_with_a_second_voter_and_the_replicas() {
    let mut rig = Rig::leading();
    let mut silent = Duration::ZERO;
    let mut cause = None;
    while cause.is_none() && silent < Duration::from_secs(5) {
        silent += Duration::from_millis(100);
        let gone = silent;
        let mut effects = rig.run_with(Duration::from_millis(100), &["m2", "m3"], |_, report| {
            report.source_silence = Some(gone);
        });
        effects.extend(rig.view("s2", silent));
        cause = begun(&proposed(&effects)).cloned();
    }
    assert_eq!(cause, Some(Cause::PrimarySilent));
    assert!(silent <= Duration::from_millis(900), "{silent:?}");
}

#[test]
fn while_replicas_are_fed_the_primary_lives() {
    let mut rig = Rig::leading();
    for step in 1..50 {
        assert!(proposed(&rig.run(Duration::from_millis(100), &["m2", "m3"])).is_empty());
        rig.view("s2", Duration::from_millis(100 * step));
    }
}

#[test]
fn an_unsteady_agent_is_given_more_time() {
    let mut rig = Rig::leading();
    let floor = rig.machine.observations().thresholds[&"m1".into()];
    for _ in 0..20 {
        rig.run(Duration::from_millis(800), &["m2", "m3"]);
        rig.run(Duration::from_millis(100), &["m1", "m2", "m3"]);
    }
    assert!(rig.machine.observations().thresholds[&"m1".into()] > floor);
}

#[test]
fn a_follower_tells_what_it_sees_and_at_once_when_a_link_breaks() {
    let mut rig = Rig::following();
    let views = |effects: &[Effect]| {
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::View(_)))
            .count()
    };
    assert_eq!(views(&rig.run(Duration::from_secs(1), &["m1"])), 10);
    let effects = rig.feed(Event::AgentDisconnected {
        node: "m1".into(),
        reset: true,
    });
    match effects.as_slice() {
        [Effect::View(view)] => assert_eq!(view.disconnected, ["m1".into()]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_is_not_heard() {
    let mut rig = Rig::leading();
    let mut stranger = rig.healthy("m1");
    stranger.node = "m9".into();
    rig.report(stranger);
    assert!(rig.machine.observations().report(&"m9".into()).is_none());
}

#[test]
fn suspicions_are_counted_and_forgotten() {
    let mut rig = Rig::leading();
    let change = Change::Begin {
        epoch: quorate_model::Epoch(2),
        cause: Cause::PrimarySilent,
        evidence: Vec::new(),
    };
    let command = Command {
        key: "x".into(),
        at: quorate_model::UnixMillis(1),
        by: "planner".to_owned(),
        change,
    };
    rig.commit(&command);
    rig.run(Duration::from_millis(100), &[]);
    assert_eq!(rig.machine.observations().recent_suspicions, 1);
    rig.wait(Duration::from_secs(601));
    rig.run(Duration::from_millis(100), &[]);
    assert_eq!(rig.machine.observations().recent_suspicions, 0);
}
