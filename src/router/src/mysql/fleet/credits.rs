//! How many dials of one server may be under way: few when an epoch opens, more with each that succeeds.
//!
//! A dial costs the server a TLS handshake, a thread and a login. Thousands of sessions that all come back in the moment
//! a new primary opens would make each other slow until all of them time out. As in TCP's slow start the window
//! doubles per round trip while things go well, and halves with a failure.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Dials at once in the first moment of an epoch.
const START: u32 = 8;
/// Fewest, however much fails.
const MIN: u32 = 2;
/// Most: what keeps two servers' cores busy with handshakes, and far from any listen backlog.
const MAX: u32 = 64;

/// The decision: how wide the window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(u32);

impl Window {
    /// As an epoch opens.
    pub(crate) const START: Self = Self(START);

    /// After a success: one more, so that a whole window of successes doubles it.
    pub(crate) const fn grown(self) -> Self {
        if self.0 < MAX {
            Self(self.0.saturating_add(1))
        } else {
            self
        }
    }

    /// After a failure: half.
    pub(crate) const fn shrunk(self) -> Self {
        if self.0 / 2 > MIN { Self(self.0 / 2) } else { Self(MIN) }
    }

    /// Dials at once.
    pub(crate) const fn width(self) -> u32 {
        self.0
    }
}

/// The dials of one server.
#[derive(Debug)]
pub(crate) struct Dials {
    room: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    window: Window,
    /// Permits to take back from those who have them.
    owed: u32,
}

/// The right to one dial; its end without a verdict changes nothing.
#[derive(Debug)]
pub(crate) struct Credit {
    permit: Option<OwnedSemaphorePermit>,
    room: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

impl Dials {
    /// With the window of a new epoch.
    pub(crate) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(START as usize)),
            state: Arc::new(Mutex::new(State {
                window: Window::START,
                owed: 0,
            })),
        }
    }

    /// Waits for its turn, first come first served.
    pub(crate) async fn enter(&self) -> Credit {
        // The semaphore is never closed.
        let permit = self.room.clone().acquire_owned().await.ok();
        Credit {
            permit,
            room: self.room.clone(),
            state: self.state.clone(),
        }
    }

    /// A new epoch opens: carefully again.
    pub(crate) fn restart(&self) {
        resize(&self.room, &self.state, |_| Window::START);
    }

    /// Dials at once, as of now.
    pub(crate) fn width(&self) -> u32 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).window.width()
    }
}

impl Credit {
    /// The dial came through, login included.
    pub(crate) fn succeeded(self) {
        resize(&self.room, &self.state, Window::grown);
    }

    /// It did not, for a reason that more dials at once could make worse: too slow, refused, no answer.
    pub(crate) fn failed(self) {
        resize(&self.room, &self.state, Window::shrunk);
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

/// Changes the window and the permits with it: narrower takes free permits first, and the rest when they come back.
fn resize(room: &Semaphore, state: &Mutex<State>, next: impl FnOnce(Window) -> Window) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (old, new) = (state.window, next(state.window));
    state.window = new;
    let wider = new.width().saturating_sub(old.width());
    let forgiven = wider.min(state.owed);
    state.owed -= forgiven;
    room.add_permits((wider - forgiven) as usize);
    let narrower = old.width().saturating_sub(new.width());
    let taken = room.forget_permits(narrower as usize);
    state.owed += narrower - u32::try_from(taken).unwrap_or(narrower);
}

#[cfg(test)]
#[path = "credits_test.rs"]
mod tests;
