//! The window grows with success, shrinks with failure, and bounds what is begun.

use proptest::prelude::*;

use super::*;

#[test]
fn a_window_of_successes_doubles_it_up_to_the_most() {
    let mut window = Window::START;
    for _ in 0..START {
        window = window.grown();
    }
    assert_eq!(window.0, 2 * START);
    for _ in 0..1000 {
        window = window.grown();
    }
    assert_eq!(window.0, MAX);
    for _ in 0..10 {
        window = window.shrunk();
    }
    assert_eq!(window.0, MIN);
}

#[test]
fn a_new_epoch_begins_carefully_and_an_old_one_changes_nothing() {
    let mut dials = Dials::new();
    for _ in 0..100 {
        assert!(dials.begin(Epoch(1)));
        dials.end(End::Succeeded, false);
    }
    assert_eq!(dials.width(), MAX);
    assert!(dials.begin(Epoch(2)));
    assert_eq!(dials.width(), START);
    dials.end(End::Succeeded, false);
    assert!(dials.begin(Epoch(1)));
    assert_eq!(dials.width(), START + 1);
}

#[test]
fn who_waits_at_the_door_lets_others_begin() {
    let mut dials = Dials::new();
    for _ in 0..MAX {
        assert!(dials.begin(Epoch(1)));
        dials.wait();
    }
    assert!(!dials.begin(Epoch(1)), "no more in all");
    dials.end(End::Abandoned, true);
    assert!(dials.begin(Epoch(1)));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Wait,
    End(End),
    NewEpoch,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Begin),
        2 => Just(Step::Wait),
        2 => Just(Step::End(End::Succeeded)),
        1 => Just(Step::End(End::Failed)),
        1 => Just(Step::End(End::Abandoned)),
        1 => Just(Step::NewEpoch),
    ]
}

proptest! {
    /// No dial is forgotten or invented, and none begins beyond the window.
    #[test]
    fn what_is_begun_is_bounded(steps in proptest::collection::vec(step(), 0..400)) {
        let mut dials = Dials::new();
        let (mut epoch, mut under_way, mut waiting) = (1, 0_u32, 0_u32);
        for step in steps {
            match step {
                Step::Begin => {
                    let begun = dials.begin(Epoch(epoch));
                    prop_assert_eq!(begun, under_way < dials.width() && under_way + waiting < MAX);
                    under_way += u32::from(begun);
                }
                Step::Wait if under_way > 0 => {
                    dials.wait();
                    under_way -= 1;
                    waiting += 1;
                }
                Step::End(how) if waiting > 0 => {
                    dials.end(how, true);
                    waiting -= 1;
                }
                Step::End(how) if under_way > 0 => {
                    dials.end(how, false);
                    under_way -= 1;
                }
                Step::Wait | Step::End(_) => {}
                Step::NewEpoch => epoch += 1,
            }
            prop_assert_eq!(dials.count(), under_way + waiting);
            prop_assert!((MIN..=MAX).contains(&dials.width()));
        }
    }
}
