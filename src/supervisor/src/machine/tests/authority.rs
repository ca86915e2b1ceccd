//! Being leader is not a right to act.

use std::time::Duration;

use quorate_model::{Change, Epoch, GtidSet, LeaseGrant, Plan};

use super::rig::{Rig, acts, proposed};
use crate::machine::{Effect, Event};

fn grants(effects: &[Effect]) -> Vec<&LeaseGrant> {
    let grants = effects.iter().filter_map(|effect| match effect {
        Effect::Grant { grant, .. } => Some(grant),
        _ => None,
    });
    grants.collect()
}

#[test]
fn a_follower_does_nothing_but_watch() {
    let mut rig = Rig::following();
    assert!(!acts(&rig.run(Duration::from_secs(2), &["m1", "m2", "m3"])));
    let dead = rig.dead("m1");
    assert!(!acts(&rig.report(dead)));
    assert!(rig.machine.plan().is_none());
}

#[test]
fn a_leader_without_a_quorums_word_does_nothing() {
    let mut rig = Rig::following();
    rig.feed(Event::Leadership { leading: true, term: 5 });
    let dead = rig.dead("m1");
    assert!(!acts(&rig.report(dead)), "no word yet");

    let mut rig = Rig::leading();
    rig.wait(Duration::from_millis(701));
    let dead = rig.dead("m1");
    assert!(!acts(&rig.report(dead)), "the last word is too old");
    assert!(!proposed(&rig.quorum()).is_empty(), "acts as soon as the word comes");
}

#[test]
fn a_lease_ends_before_any_successor_may_grant() {
    let mut rig = Rig::leading();
    rig.wait(Duration::from_millis(300));
    let report = rig.healthy("m1");
    let seq = report.seq;
    let effects = rig.report(report);
    // The quorum's word is 310 ms old: the lease ends 1500 ms after it.
    let grant = LeaseGrant {
        epoch: Epoch(1),
        seq,
        ttl: Duration::from_millis(1190),
    };
    assert_eq!(grants(&effects), [&grant]);
    assert_eq!(rig.machine.observations().last_grant, Some((Epoch(1), rig.now)));
}

#[test]
fn nobody_but_the_primary_is_leased_and_not_once_its_term_may_be_over() {
    let mut rig = Rig::leading();
    let replica = rig.healthy("m2");
    assert!(grants(&rig.report(replica)).is_empty());
    let dead = rig.dead("m1");
    rig.report(dead);
    // Begin is under way: whoever says now that it serves gets no lease.
    let back = rig.healthy("m1");
    assert!(grants(&rig.report(back)).is_empty());
}

/// A plan that elects without any proof.
fn bad_plan(rig: &mut Rig) -> Plan {
    let good = rig.machine.plan().unwrap().clone();
    rig.wait(Duration::from_millis(100));
    let elect = Change::Elect {
        epoch: Epoch(1),
        candidate: "m2".into(),
        required: GtidSet::new(),
        ack_set: [].into(),
        positions: [].into(),
        evidence: Vec::new(),
    };
    Plan {
        changes: vec![elect],
        ..good
    }
}

fn all_clear(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Alarm(found) if found.is_empty()))
}

#[test]
fn a_plan_that_breaks_the_audit_is_not_carried_out() {
    let mut rig = Rig::leading();
    let bad = bad_plan(&mut rig);
    let mut effects = Vec::new();
    rig.machine.act_on(rig.now, bad.clone(), &mut effects);
    assert!(
        matches!(effects.as_slice(), [Effect::Alarm(found)] if !found.is_empty()),
        "{effects:?}"
    );
    assert!(!rig.machine.violations().is_empty());
    effects.clear();
    rig.machine.act_on(rig.now, bad, &mut effects);
    assert!(effects.is_empty(), "said once: {effects:?}");
    assert!(all_clear(&rig.run(Duration::from_millis(100), &["m1", "m2", "m3"])));
}

#[test]
fn an_alarm_ends_with_the_lead() {
    let mut rig = Rig::leading();
    let bad = bad_plan(&mut rig);
    rig.machine.act_on(rig.now, bad, &mut Vec::new());
    assert!(all_clear(&rig.feed(Event::Leadership {
        leading: false,
        term: 6
    })));
}

#[test]
fn a_new_term_forgets_the_grants_of_the_last() {
    let mut rig = Rig::leading();
    rig.run(Duration::from_millis(100), &["m1"]);
    assert!(rig.machine.observations().last_grant.is_some());
    rig.feed(Event::Leadership { leading: true, term: 6 });
    assert_eq!(rig.machine.observations().last_grant, None);
    assert_eq!(rig.machine.observations().leader_since, rig.now);
    assert!(!rig.machine.may_act(rig.now));
}

#[test]
fn leases_granted_before_they_became_shorter_are_waited_out() {
    let mut rig = Rig::leading();
    let old_wait = rig.state.spec.as_ref().unwrap().policy.lease_wait();
    let mut shorter = super::rig::spec();
    shorter.policy.lease_ttl = Duration::from_millis(500);
    let new_wait = shorter.policy.lease_wait();
    rig.state.spec = Some(shorter);
    rig.state.index += 1;
    rig.applied();
    let changed = rig.now;
    assert_eq!(
        rig.machine.observations().leader_since.after(new_wait),
        changed.after(old_wait)
    );
    // So does the next leader.
    rig.wait(Duration::from_millis(100));
    rig.feed(Event::Leadership { leading: true, term: 9 });
    assert_eq!(
        rig.machine.observations().leader_since.after(new_wait),
        changed.after(old_wait)
    );
    rig.wait(Duration::from_secs(3));
    rig.feed(Event::Leadership {
        leading: true,
        term: 10,
    });
    assert_eq!(rig.machine.observations().leader_since, rig.now);
}
