//! The promises of the router's decision code, one by one.

use proptest::prelude::*;
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
        elected: None,
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

/// What can happen around a machine.
#[derive(Debug, Clone)]
enum Step {
    Push(RouteTable),
    Connect,
    Disconnect,
    Written,
    Restart,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let pushed = (0..6_u64, 0..10_u64, any::<bool>());
    prop_oneof![
        4 => pushed.prop_map(|(epoch, index, open)| Step::Push(table(epoch, index, open.then_some("m1")))),
        3 => Just(Step::Connect),
        2 => Just(Step::Disconnect),
        2 => Just(Step::Written),
        1 => Just(Step::Restart),
        1 => Just(Step::Tick),
    ]
}

/// A machine with its disk and its connections, the way the shell treats them.
struct Shell {
    machine: Machine,
    now: u64,
    floor: Epoch,
    open: Vec<Epoch>,
    draft: Option<RouteTable>,
    disk: Option<RouteTable>,
    promised: Epoch,
}

impl Shell {
    fn event(&mut self, event: Event) {
        self.now += 10;
        let before = self.machine.epoch();
        for effect in self.machine.handle(at(self.now), event) {
            match effect {
                Effect::Cut { below } => self.floor = below,
                Effect::Use(table) => assert!(table.epoch >= before && self.floor >= table.epoch),
                Effect::Persist(table) => self.draft = Some(table),
                Effect::Report(report) => self.promise(report.confirmed),
            }
        }
    }

    /// What a confirmation says must be so now, and what it said must stay so over restarts.
    fn promise(&mut self, confirmed: Epoch) {
        assert!(self.open.iter().all(|epoch| *epoch >= confirmed));
        assert!(confirmed <= self.disk.as_ref().map_or(Epoch::ZERO, |table| table.epoch));
        self.promised = self.promised.max(confirmed);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(table) => self.event(Event::Table(table)),
            Step::Connect => {
                let open = self.machine.table().is_some_and(|table| table.writable.is_some());
                if open && self.machine.epoch() >= self.floor {
                    assert!(self.machine.epoch() >= self.promised, "an ended epoch is entered again");
                    self.open.push(self.machine.epoch());
                }
            }
            Step::Disconnect => drop(self.open.pop()),
            Step::Written => {
                if let Some(table) = self.draft.take() {
                    let epoch = table.epoch;
                    self.disk = Some(table);
                    self.event(Event::Persisted { epoch });
                }
            }
            Step::Restart => {
                self.machine = machine();
                (self.floor, self.draft) = (Epoch::ZERO, None);
                self.open.clear();
                if let Some(table) = self.disk.clone() {
                    self.event(Event::Restored(table));
                }
            }
            Step::Tick => self.event(Event::Tick(Load::default())),
        }
        if self.open.iter().all(|epoch| *epoch >= self.floor) {
            self.event(Event::Drained { below: self.floor });
        }
    }
}

proptest! {
    #[test]
    fn a_confirmation_holds_over_any_history(steps in prop::collection::vec(step(), 1..60)) {
        let mut shell = Shell {
            machine: machine(),
            now: 0,
            floor: Epoch::ZERO,
            open: Vec::new(),
            draft: None,
            disk: None,
            promised: Epoch::ZERO,
        };
        for step in steps {
            shell.step(step);
        }
    }
}
