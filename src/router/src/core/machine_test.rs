//! The promises of the router's decision code, one by one.

use quorate_model::Endpoint;

use super::*;

fn table(epoch: u64, index: u64, writable: Option<&str>) -> RouteTable {
    RouteTable {
        cluster: "lab".into(),
        epoch: Epoch(epoch),
        index,
        revision: 0,
        writable: writable.map(|node| Endpoint {
            node: node.into(),
            door: format!("{node}:3310"),
        }),
        readable: Vec::new(),
    }
}

fn machine() -> Machine {
    Machine::new("r1".into(), "lab".into())
}

fn at(ms: u64) -> Moment {
    Moment::from_micros(ms * 1000)
}

fn confirmations(effects: &[Effect]) -> Vec<Epoch> {
    let confirmed = |effect: &Effect| match effect {
        Effect::Report(report) => Some(report.confirmed),
        Effect::Cut { .. } | Effect::Use(_) | Effect::Persist(_) => None,
    };
    effects.iter().filter_map(confirmed).collect()
}

#[test]
fn a_new_epoch_cuts_before_it_is_used() {
    let mut machine = machine();
    machine.handle(at(0), Event::Table(table(1, 5, Some("m1"))));
    let effects = machine.handle(at(1), Event::Table(table(2, 6, None)));
    assert_eq!(effects[0], Effect::Cut { below: Epoch(2) });
    assert_eq!(effects[1], Effect::Use(table(2, 6, None)));
    assert_eq!(effects[2], Effect::Persist(table(2, 6, None)));
}

#[test]
fn opening_the_epoch_cuts_nothing() {
    let mut machine = machine();
    machine.handle(at(0), Event::Table(table(2, 6, None)));
    let effects = machine.handle(at(1), Event::Table(table(2, 8, Some("m2"))));
    assert_eq!(effects[0], Effect::Use(table(2, 8, Some("m2"))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Cut { .. })));
}

#[test]
fn late_and_foreign_tables_change_nothing() {
    let mut machine = machine();
    machine.handle(at(0), Event::Table(table(3, 9, None)));
    for late in [table(2, 8, Some("m1")), table(3, 9, None), table(3, 8, Some("m1"))] {
        assert_eq!(machine.handle(at(1), Event::Table(late)), []);
    }
    let foreign = RouteTable {
        cluster: "other".into(),
        ..table(9, 9, Some("x"))
    };
    assert_eq!(machine.handle(at(1), Event::Table(foreign)), []);
    assert_eq!(machine.table(), Some(&table(3, 9, None)));
}

#[test]
fn confirms_only_when_both_drained_and_persisted() {
    for drained_first in [true, false] {
        let mut machine = machine();
        let first = machine.handle(at(0), Event::Table(table(4, 9, None)));
        assert_eq!(confirmations(&first), [Epoch::ZERO]);
        let drained = Event::Drained { below: Epoch(4) };
        let persisted = Event::Persisted { epoch: Epoch(4) };
        let (one, two) = if drained_first {
            (drained, persisted)
        } else {
            (persisted, drained)
        };
        assert_eq!(machine.handle(at(1), one), []);
        assert_eq!(confirmations(&machine.handle(at(2), two)), [Epoch(4)]);
    }
}

#[test]
fn an_older_drain_does_not_confirm_a_newer_epoch() {
    let mut machine = machine();
    machine.handle(at(0), Event::Table(table(4, 9, None)));
    machine.handle(at(0), Event::Persisted { epoch: Epoch(4) });
    machine.handle(at(1), Event::Table(table(5, 11, None)));
    machine.handle(at(1), Event::Persisted { epoch: Epoch(5) });
    let effects = machine.handle(at(2), Event::Drained { below: Epoch(4) });
    assert_eq!(confirmations(&effects), [Epoch(4)]);
    assert_eq!(machine.confirmed(), Epoch(4));
}

#[test]
fn a_restart_serves_from_disk_and_keeps_its_word() {
    let mut machine = machine();
    let effects = machine.handle(at(0), Event::Restored(table(7, 20, Some("m3"))));
    assert_eq!(
        effects[..2],
        [Effect::Cut { below: Epoch(7) }, Effect::Use(table(7, 20, Some("m3")))]
    );
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Persist(_))));
    assert_eq!(
        confirmations(&machine.handle(at(1), Event::Drained { below: Epoch(7) })),
        [Epoch(7)]
    );
    assert_eq!(machine.handle(at(1), Event::Table(table(6, 99, Some("m1")))), []);
    assert_eq!(machine.epoch(), Epoch(7));
}

#[test]
fn reports_at_once_on_change_and_then_at_the_interval() {
    let mut machine = machine();
    let busy = Load {
        connections: 3,
        held: 1,
    };
    assert_eq!(machine.handle(at(0), Event::Tick(busy)).len(), 1);
    assert_eq!(machine.handle(at(100), Event::Tick(busy)), []);
    let effects = machine.handle(at(250), Event::Tick(busy));
    let [Effect::Report(report)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((report.connections, report.held), (3, 1));
    let effects = machine.handle(at(251), Event::Table(table(1, 2, None)));
    assert!(matches!(effects.last(), Some(Effect::Report(report)) if report.index == 2));
}
