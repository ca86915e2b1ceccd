use quorate_model::{DoorState, Epoch, LeaseKind, Moment};

use super::rig::Rig;
use crate::machine::{Effect, Event};

#[test]
fn clients_are_served_from_the_sending_of_the_report_on_for_the_ttl() {
    let mut rig = Rig::serving(1);
    let sent = rig.now;
    assert_eq!(rig.door.state, DoorState::Open { epoch: Epoch(1) });
    assert_eq!(rig.report.lease, LeaseKind::Supervisors);
    rig.tick(1499);
    assert_eq!(rig.door.state, DoorState::Open { epoch: Epoch(1) });
    assert_eq!(
        rig.machine.clients_until(),
        Moment::from_micros(sent.as_micros() + 1_500_000)
    );
    rig.tick(1);
    assert_eq!(rig.door.state, DoorState::Replicas { epoch: Epoch(1) });
    assert_eq!(rig.report.lease, LeaseKind::None);
    assert_eq!(rig.machine.clients_until(), Moment::ZERO);
}

#[test]
fn a_lease_of_another_epoch_or_for_an_unknown_report_is_worth_nothing() {
    let mut rig = Rig::serving(2);
    rig.tick(2000);
    rig.lease(1, 1500);
    rig.report.seq += 1000;
    rig.lease(2, 1500);
    assert_eq!(rig.door.state, DoorState::Replicas { epoch: Epoch(2) });
}

#[test]
fn wake_is_not_after_the_end_of_the_lease() {
    let mut rig = Rig::serving(1);
    rig.tick(1450);
    assert!(rig.machine.wake() <= rig.now.after(std::time::Duration::from_millis(50)));
}

#[test]
fn a_report_goes_out_at_least_at_its_interval() {
    let mut rig = Rig::booted();
    rig.tick(100);
    let seq = rig.report.seq;
    rig.tick(99);
    assert_eq!(rig.report.seq, seq);
    rig.tick(1);
    assert_eq!(rig.report.seq, seq + 1);
    rig.event(Event::Stream(Some(rig.now)));
    assert_eq!(rig.report.seq, seq + 2, "a stream that begins is told at once");
    assert!(rig.log.iter().any(|effect| matches!(effect, Effect::Probe(_))));
}
