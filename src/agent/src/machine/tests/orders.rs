use quorate_model::{Epoch, Order, Progress, Task};

use super::rig::Rig;
use crate::machine::{Durable, Effect, Event};

#[test]
fn nothing_is_done_about_an_order_before_its_promise_is_on_disk() {
    let mut rig = Rig::booted();
    rig.hold_persist = true;
    rig.log.clear();
    rig.follow(4, "m2");
    assert!(matches!(rig.report.progress, Progress::Busy { epoch: Epoch(4), .. }));
    assert_eq!(rig.report.promised, Epoch(0));
    assert!(rig.steps().is_empty() && rig.relay.is_none());
    let durable = Durable {
        promised: Epoch(4),
        ..*rig.machine.durable()
    };
    rig.event(Event::Persisted(durable));
    assert_eq!(rig.report.promised, Epoch(4));
    assert_eq!(rig.steps(), ["Attach"]);
}

#[test]
fn a_lower_epoch_is_refused_also_after_a_restart() {
    let mut rig = Rig::with(Durable {
        promised: Epoch(7),
        ..Durable::default()
    });
    rig.tick(1);
    rig.follow(6, "m2");
    assert_eq!(rig.report.progress, Progress::Idle);
    assert_eq!(rig.report.promised, Epoch(7));
    rig.follow(7, "m2");
    assert!(matches!(
        rig.report.progress,
        Progress::Following { epoch: Epoch(7), .. }
    ));
}

#[test]
fn an_order_of_an_older_state_of_the_same_epoch_is_refused() {
    let mut rig = Rig::booted();
    rig.follow(2, "m2");
    let index = rig.index - 1;
    rig.event(Event::Order(Order {
        epoch: Epoch(2),
        index,
        task: Task::Revoke,
    }));
    assert!(matches!(rig.report.progress, Progress::Following { .. }));
    assert!(!rig.steps().contains(&"StopReceiving".to_owned()));
}

#[test]
fn an_order_given_twice_does_nothing_but_is_answered() {
    let mut rig = Rig::booted();
    rig.follow(2, "m2");
    let seq = rig.report.seq;
    rig.log.clear();
    rig.follow(2, "m2");
    assert_eq!(rig.report.seq, seq + 1);
    assert!(
        rig.log.iter().all(|effect| matches!(effect, Effect::Report(_))),
        "{:?}",
        rig.log
    );
}
