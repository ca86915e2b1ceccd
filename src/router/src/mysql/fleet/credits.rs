//! How many dials of one server may be under way: few when an epoch opens, more with each that succeeds.
//!
//! A dial costs the server a TLS handshake, a thread and a login. Thousands of sessions that all come back in the moment
//! a new primary opens would make each other slow until all of them time out. As in TCP's slow start the window
//! doubles per round trip while things go well, and halves with a failure. Who finds it full waits in the shelf's queue, where
//! a connection that another session gives back may come first. Who is through the handshake and waits for a door to open
//! costs nobody anything, and counts only towards the most.

use quorate_model::Epoch;

/// Dials at once in the first moment of an epoch.
const START: u32 = 8;
/// Fewest, however much fails.
const MIN: u32 = 2;
/// Most: what keeps two servers' cores busy with handshakes, and far from any listen backlog.
const MAX: u32 = 64;

/// How wide the window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window(u32);

impl Window {
    /// As an epoch opens.
    const START: Self = Self(START);

    /// After a success: one more, so that a whole window of successes doubles it.
    const fn grown(self) -> Self {
        if self.0 < MAX {
            Self(self.0.saturating_add(1))
        } else {
            self
        }
    }

    /// After a failure: half.
    const fn shrunk(self) -> Self {
        if self.0 / 2 > MIN { Self(self.0 / 2) } else { Self(MIN) }
    }
}

/// How a dial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It came through, login included.
    Succeeded,
    /// It did not, for a reason that more dials at once could make worse: too slow, refused, no answer.
    Failed,
    /// It says nothing of how many the server bears.
    Abandoned,
}

/// The dials of one server.
#[derive(Debug)]
pub(super) struct Dials {
    /// The newest epoch that was dialled in.
    epoch: Epoch,
    window: Window,
    /// In a handshake.
    under_way: u32,
    /// At the door or beyond it.
    waiting: u32,
}

impl Dials {
    /// None under way.
    pub(super) const fn new() -> Self {
        Self {
            epoch: Epoch::ZERO,
            window: Window::START,
            under_way: 0,
            waiting: 0,
        }
    }

    /// Begins one, if the window has room. A new epoch begins carefully again.
    pub(super) fn begin(&mut self, epoch: Epoch) -> bool {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.window = Window::START;
        }
        let has_room = self.has_room();
        if has_room {
            self.under_way += 1;
        }
        has_room
    }

    /// Whether one may begin.
    pub(super) const fn has_room(&self) -> bool {
        self.under_way < self.window.0 && self.count() < MAX
    }

    /// One waits at the door.
    pub(super) const fn wait(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.waiting = self.waiting.saturating_add(1);
    }

    /// Takes up how one ended that has `waited` or not.
    pub(super) const fn end(&mut self, how: End, waited: bool) {
        if waited {
            self.waiting = self.waiting.saturating_sub(1);
        } else {
            self.under_way = self.under_way.saturating_sub(1);
        }
        self.window = match how {
            End::Succeeded => self.window.grown(),
            End::Failed => self.window.shrunk(),
            End::Abandoned => self.window,
        };
    }

    /// Handshakes that may be under way at once.
    pub(super) const fn width(&self) -> u32 {
        self.window.0
    }

    /// Dials begun and not ended.
    pub(super) const fn count(&self) -> u32 {
        self.under_way.saturating_add(self.waiting)
    }
}

#[cfg(test)]
#[path = "credits_test.rs"]
mod tests;
