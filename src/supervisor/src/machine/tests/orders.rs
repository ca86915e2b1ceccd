//! Orders and route tables: sent when they change, repeated while they are not carried out.

use std::time::Duration;

use quorate_model::{Change, Endpoint, Progress, RouteTable, Task};

use super::rig::Rig;
use crate::machine::{Effect, Event};

fn sent(effects: &[Effect], to: &str) -> Vec<Task> {
    let tasks = effects.iter().filter_map(|effect| match effect {
        Effect::Send { node, order } if node.as_str() == to => Some(order.task.clone()),
        _ => None,
    });
    tasks.collect()
}

fn tables(effects: &[Effect]) -> Vec<&RouteTable> {
    let tables = effects.iter().filter_map(|effect| match effect {
        Effect::Routes(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

#[test]
fn an_order_that_is_carried_out_is_not_repeated() {
    let mut rig = Rig::leading();
    let effects = rig.run(Duration::from_secs(3), &["m1", "m2", "m3"]);
    assert!(
        sent(&effects, "m1").is_empty() && sent(&effects, "m2").is_empty(),
        "{effects:?}"
    );
}

#[test]
fn an_order_that_is_not_carried_out_is_repeated_ever_more_slowly() {
    let mut rig = Rig::leading();
    let busy = |_: Duration, report: &mut quorate_model::AgentReport| {
        if report.node.as_str() == "m2" {
            report.progress = Progress::Busy {
                epoch: quorate_model::Epoch(1),
                doing: "salvage".to_owned(),
            };
        }
    };
    let effects = rig.run_with(Duration::from_secs(5), &["m1", "m2", "m3"], busy);
    let count = sent(&effects, "m2").len();
    assert!((4..=9).contains(&count), "{count}");
    assert!(matches!(sent(&effects, "m2")[0], Task::Follow { .. }));
}

#[test]
fn a_new_link_gets_its_order_and_a_broken_one_none() {
    let mut rig = Rig::leading();
    rig.feed(Event::AgentDisconnected {
        node: "m2".into(),
        reset: false,
    });
    let effects = rig.run(Duration::from_secs(1), &["m1", "m3"]);
    assert!(sent(&effects, "m2").is_empty());
    let effects = rig.feed(Event::AgentConnected { node: "m2".into() });
    assert_eq!(sent(&effects, "m2").len(), 1);
}

#[test]
fn a_replica_that_is_being_removed_is_not_let_back_in() {
    let mut rig = Rig::leading();
    let ack_set = rig
        .state
        .ack_set
        .clone()
        .into_iter()
        .filter(|(node, _)| node.as_str() == "m3")
        .collect();
    let removal = Change::AckSetChanged {
        epoch: rig.state.epoch,
        ack_set,
        evidence: Vec::new(),
    };
    rig.machine.propose(rig.now, "planner", removal, None, &mut Vec::new());
    // A new link makes the leader say again what the primary shall be.
    let effects = rig.feed(Event::AgentConnected { node: "m1".into() });
    match sent(&effects, "m1").as_slice() {
        [Task::Serve { ack_set, .. }] => assert_eq!(ack_set, &["m3".into()].into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tables_of_a_later_leader_come_later() {
    let mut rig = Rig::following();
    rig.feed(Event::Leadership { leading: true, term: 5 });
    let effects = rig.quorum();
    let first = tables(&effects)[0].clone();
    assert!(first.writable.is_some());
    let effects = rig.run(Duration::from_secs(2), &["m1", "m2", "m3"]);
    assert!(tables(&effects).is_empty(), "nothing changed: {effects:?}");
    rig.feed(Event::Leadership { leading: true, term: 6 });
    let effects = rig.quorum();
    assert!(tables(&effects)[0].cmp_issue(&first).is_gt());
}

#[test]
fn a_changed_table_has_a_higher_revision() {
    let mut rig = Rig::leading();
    let first = rig.machine.routes().unwrap().clone();
    let mut effects = Vec::new();
    rig.machine.publish(
        RouteTable {
            revision: 0,
            ..first.clone()
        },
        &mut effects,
    );
    assert!(effects.is_empty(), "the same again");
    let extra = Endpoint {
        node: "m9".into(),
        door: "m9:1".to_owned(),
    };
    rig.machine.publish(
        RouteTable {
            revision: 0,
            readable: vec![extra],
            ..first.clone()
        },
        &mut effects,
    );
    assert!(tables(&effects)[0].cmp_issue(&first).is_gt());
}

/// Seed 20811 of the simulation: the order that let a replica in was still on its way when its removal was committed.
#[test]
fn nobody_leaves_the_ack_set_while_an_order_may_still_let_it_in() {
    let mut rig = Rig::leading();
    let index = rig.state.index;
    let without_m2 = |taken: u64| {
        move |_: Duration, report: &mut quorate_model::AgentReport| {
            if report.node.as_str() == "m1" {
                report.ackable = ["m3".into()].into();
                report.order_index = taken;
            }
        }
    };
    let removes = |effects: &[Effect]| {
        effects.iter().any(|effect| {
            matches!(effect, Effect::Propose(command) if matches!(command.change, Change::AckSetChanged { .. }))
        })
    };
    let effects = rig.run_with(Duration::from_secs(3), &["m1", "m3"], without_m2(index - 1));
    assert!(!removes(&effects), "m1 has not taken the order that shuts m2 out");
    let effects = rig.run_with(Duration::from_secs(1), &["m1", "m3"], without_m2(index));
    assert!(removes(&effects));
}
