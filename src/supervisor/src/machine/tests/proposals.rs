//! One proposal at a time, each to its end.

use std::time::Duration;

use quorate_model::{Change, Command, Refusal, Reply};

use super::rig::{Rig, proposed};
use crate::machine::{Asked, Denied, Effect, Event, ProposalOutcome, Request};

fn dying(rig: &mut Rig) -> Command {
    let dead = rig.dead("m1");
    let effects = rig.report(dead);
    proposed(&effects)[0].clone()
}

fn done(command: &Command, outcome: ProposalOutcome) -> Event {
    Event::ProposalDone {
        key: command.key.clone(),
        outcome,
    }
}

#[test]
fn nothing_is_proposed_beside_a_proposal_under_way() {
    let mut rig = Rig::leading();
    let begin = dying(&mut rig);
    let unknown = ProposalOutcome::Unknown("leadership lost?".to_owned());
    let mut effects = rig.feed(done(&begin, unknown));
    // It may be in the log: not even a long wait makes it safe to propose something else.
    effects.extend(rig.run_with(Duration::from_secs(3), &["m1", "m2", "m3"], |_, report| {
        report.progress = quorate_model::Progress::Idle;
    }));
    assert!(proposed(&effects).is_empty());
}

#[test]
fn the_next_change_is_planned_as_soon_as_the_state_holds_the_last() {
    let mut rig = Rig::leading();
    let begin = dying(&mut rig);
    let reply = Reply::Applied {
        index: rig.state.index + 1,
    };
    assert!(
        proposed(&rig.feed(done(&begin, ProposalOutcome::Replied(reply)))).is_empty(),
        "the state lags"
    );
    let effects = rig.commit(&begin);
    let revoked = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Send { .. }))
        .count();
    assert_eq!(revoked, 3, "{effects:?}");
    for name in ["m2", "m3"] {
        let mut report = rig.healthy(name);
        report.promised = rig.state.epoch;
        report.progress = quorate_model::Progress::Revoked { epoch: rig.state.epoch };
        report.source_silence = None;
        if let quorate_model::ServerState::Running { facts, .. } = &mut report.server {
            facts.io = quorate_model::IoThread::No;
        }
        let effects = rig.report(report);
        if name == "m3" {
            assert!(
                matches!(proposed(&effects)[0].change, Change::Elect { .. }),
                "{effects:?}"
            );
        }
    }
}

#[test]
fn a_refused_or_unproposed_change_is_proposed_again_after_a_pause() {
    for outcome in [
        ProposalOutcome::Replied(Reply::Refused { why: Refusal::NoChange }),
        ProposalOutcome::NotProposed("too busy".to_owned()),
    ] {
        let mut rig = Rig::leading();
        let begin = dying(&mut rig);
        assert!(proposed(&rig.feed(done(&begin, outcome))).is_empty());
        rig.wait(Duration::from_millis(250));
        let effects = rig.quorum();
        let again = rig.feed(Event::Tick {
            unix: quorate_model::UnixMillis(1),
        });
        let again = [effects, again].concat();
        assert_ne!(proposed(&again)[0].key, begin.key);
    }
}

#[test]
fn a_new_term_forgets_and_plans_again() {
    let mut rig = Rig::leading();
    let begin = dying(&mut rig);
    rig.feed(Event::Leadership {
        leading: false,
        term: 5,
    });
    rig.feed(Event::Leadership { leading: true, term: 7 });
    let effects = rig.quorum();
    assert!(matches!(proposed(&effects)[0].change, Change::Begin { .. }));
    assert_ne!(proposed(&effects)[0].key, begin.key);
}

#[test]
fn an_operator_learns_that_the_outcome_is_not_known() {
    let mut rig = Rig::leading();
    let request = Request::Pause { why: "test".to_owned() };
    let effects = rig.feed(Event::Request(Asked {
        id: 3,
        by: "ada".to_owned(),
        request,
    }));
    assert_eq!(proposed(&effects)[0].by, "ada");
    let effects = rig.feed(Event::Leadership {
        leading: false,
        term: 6,
    });
    assert_eq!(
        effects,
        [Effect::Answer {
            request: 3,
            answer: Err(Denied::LeadershipLost)
        }]
    );
}

#[test]
fn the_leaders_declaration_is_agreed_but_never_one_that_drops_data() {
    let mut rig = Rig::leading();
    let mut other = super::rig::spec();
    other.name = "renamed".to_owned();
    rig.state.spec = Some(other);
    let effects = rig.applied();
    assert!(matches!(&proposed(&effects)[0].change, Change::PolicyChanged { spec } if spec.name == "lab"));

    let mut rig = Rig::leading();
    let spec = rig.state.spec.as_mut().unwrap();
    let m9 = spec.nodes[&"m1".into()].clone();
    spec.nodes.insert("m9".into(), m9);
    rig.state.ack_set.insert("m9".into(), "dir".into());
    rig.state.index += 1;
    assert!(
        proposed(&rig.applied())
            .iter()
            .all(|command| !matches!(command.change, Change::PolicyChanged { .. }))
    );
}
