//! What operators are answered.

use quorate_model::{Cause, Change, Epoch, NodeId};

use super::rig::{Rig, proposed};
use crate::machine::{Asked, Denied, Done, Effect, Event, Request};

fn ask(rig: &mut Rig, request: Request) -> Vec<Effect> {
    rig.feed(Event::Request(Asked {
        id: 1,
        by: "ada".to_owned(),
        request,
    }))
}

fn switchover(to: Option<&str>) -> Request {
    Request::Switchover {
        to: to.map(NodeId::from),
        why: "test".to_owned(),
        epoch: None,
        dry_run: false,
    }
}

fn answers(effects: &[Effect]) -> Vec<&Result<Done, Denied>> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Answer { answer, .. } => Some(answer),
        _ => None,
    });
    answers.collect()
}

#[test]
fn a_switchover_begins_an_epoch_in_the_operators_name() {
    let mut rig = Rig::leading();
    let effects = ask(&mut rig, switchover(Some("m3")));
    let command = proposed(&effects)[0].clone();
    assert_eq!(command.by, "ada");
    assert!(
        matches!(&command.change, Change::Begin { epoch: Epoch(2), cause: Cause::Switchover { target: Some(to), .. }, .. }
        if to.as_str() == "m3")
    );
    let effects = rig.commit(&command);
    assert!(
        matches!(answers(&effects)[0], Ok(Done::Committed { epoch: Epoch(2), .. })),
        "{effects:?}"
    );
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut rig = Rig::leading();
    let request = Request::Switchover {
        to: None,
        why: "look".to_owned(),
        epoch: Some(Epoch(1)),
        dry_run: true,
    };
    let effects = ask(&mut rig, request);
    assert!(proposed(&effects).is_empty());
    assert!(
        matches!(answers(&effects)[0], Ok(Done::Preview(preview)) if preview.from.as_str() == "m1"),
        "{effects:?}"
    );
}

#[test]
fn impossible_requests_are_denied_with_a_reason() {
    let mut rig = Rig::leading();
    let stale = Request::Switchover {
        to: None,
        why: "x".to_owned(),
        epoch: Some(Epoch(7)),
        dry_run: false,
    };
    assert_eq!(
        answers(&ask(&mut rig, stale)),
        [&Err(Denied::StaleEpoch { current: Epoch(1) })]
    );
    let unknown = Denied::UnknownNode { node: "m9".into() };
    assert_eq!(answers(&ask(&mut rig, switchover(Some("m9")))), [&Err(unknown)]);
    let itself = ask(&mut rig, switchover(Some("m1")));
    assert!(
        matches!(answers(&itself)[0], Err(Denied::Unfit { why, .. }) if why.contains("already")),
        "{itself:?}"
    );
}

#[test]
fn only_a_leader_with_a_quorum_answers() {
    let mut rig = Rig::following();
    let pause = Request::Pause { why: "x".to_owned() };
    assert_eq!(answers(&ask(&mut rig, pause.clone())), [&Err(Denied::NotLeader)]);
    rig.feed(Event::Leadership { leading: true, term: 5 });
    assert_eq!(answers(&ask(&mut rig, pause)), [&Err(Denied::NoQuorum)]);
}

#[test]
fn requests_wait_their_turn_and_not_without_end() {
    let mut rig = Rig::leading();
    let note = |number: u64| Request::Note {
        what: number.to_string(),
        why: "x".to_owned(),
    };
    let first = proposed(&ask(&mut rig, note(0)))[0].clone();
    for number in 1..=16 {
        assert!(ask(&mut rig, note(number)).is_empty());
    }
    assert_eq!(answers(&ask(&mut rig, note(17))), [&Err(Denied::Busy)]);
    let effects = rig.commit(&first);
    assert!(
        matches!(&proposed(&effects)[0].change, Change::Noted { what, .. } if what == "1"),
        "{effects:?}"
    );
}

#[test]
fn a_failover_outranks_what_waits() {
    let mut rig = Rig::leading();
    let note = |number: u64| Request::Note {
        what: number.to_string(),
        why: "x".to_owned(),
    };
    let first = proposed(&ask(&mut rig, note(0)))[0].clone();
    ask(&mut rig, note(1));
    let dead = rig.dead("m1");
    assert!(proposed(&rig.report(dead)).is_empty(), "the first is still under way");
    let effects = rig.commit(&first);
    assert!(
        matches!(proposed(&effects)[0].change, Change::Begin { .. }),
        "{effects:?}"
    );
}
