//! The planned stop: ask for a handover first, then kill. Never a graceful stop: it would make unacknowledged rows real.

use super::server::{Role, Server};
use super::{Effect, Machine};

impl Machine {
    pub(super) fn take_terminate(&mut self) {
        let leads = matches!(self.role(), Some(Role::Primary(_)));
        self.stop_by = match self.stop_by {
            None if leads => Some(self.now.after(self.settings.handover_wait)),
            None | Some(_) => Some(self.now),
        };
        self.reports.hurry();
    }

    /// Whether a planned stop has nothing left to wait for: the role was handed over, or the time is up.
    pub(super) fn stopping_now(&self) -> bool {
        self.stop_by
            .is_some_and(|by| self.now >= by || !matches!(self.role(), Some(Role::Primary(_))))
    }

    /// After the last report, which says that the node is harmless.
    pub(super) fn finish_stop(&mut self) {
        if self.stopping_now() && matches!(self.server, Server::Down(_)) && !self.exited {
            self.exited = true;
            self.out.push(Effect::Exit);
        }
    }
}
