//! The window grows with success, shrinks with failure, and permits follow it exactly.

use proptest::prelude::*;

use super::*;

#[test]
fn a_window_of_successes_doubles_it_up_to_the_most() {
    let mut window = Window::START;
    for _ in 0..START {
        window = window.grown();
    }
    assert_eq!(window.width(), 2 * START);
    for _ in 0..1000 {
        window = window.grown();
    }
    assert_eq!(window.width(), MAX);
    for _ in 0..10 {
        window = window.shrunk();
    }
    assert_eq!(window.width(), MIN);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter,
    Succeed,
    Fail,
    Abandon,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Enter),
        2 => Just(Step::Succeed),
        1 => Just(Step::Fail),
        1 => Just(Step::Abandon),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Permits in the room and in hands, less those owed, are the window: none is lost or invented.
    #[test]
    fn permits_follow_the_window(steps in proptest::collection::vec(step(), 0..400)) {
        let dials = Dials::new();
        let mut held: Vec<Credit> = Vec::new();
        for step in steps {
            match step {
                Step::Enter => {
                    if let Ok(permit) = dials.room.clone().try_acquire_owned() {
                        held.push(Credit {
                            permit: Some(permit),
                            room: dials.room.clone(),
                            state: dials.state.clone(),
                        });
                    }
                }
                Step::Succeed => held.pop().into_iter().for_each(Credit::succeeded),
                Step::Fail => held.pop().into_iter().for_each(Credit::failed),
                Step::Abandon => drop(held.pop()),
                Step::Restart => dials.restart(),
            }
            let owed = dials.state.lock().unwrap().owed as usize;
            prop_assert_eq!(dials.room.available_permits() + held.len() - owed, dials.width() as usize);
            prop_assert!(held.len() >= owed);
        }
        held.clear();
        prop_assert_eq!(dials.room.available_permits(), dials.width() as usize);
    }
}

#[tokio::test]
async fn who_waits_is_let_in_as_others_succeed() {
    let dials = Dials::new();
    let mut first = Vec::new();
    for _ in 0..START {
        first.push(dials.enter().await);
    }
    let mut next = std::pin::pin!(dials.enter());
    assert!(futures_pending(&mut next).await);
    first.pop().unwrap().succeeded();
    next.await.succeeded();
    assert_eq!(dials.width(), START + 2);
}

async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = tokio::task::yield_now() => true,
    }
}
