//! Harmless and silent, or a replica.

use std::time::Duration;

use quorate_model::{Epoch, IoThread, Moment, NodeId, Task};

use super::server::{Role, Server};
use super::{Machine, Step};

/// A receiving thread that is stopped for this long after the attachment will not start by itself.
const ATTACH_GRACE: Duration = Duration::from_millis(500);
/// Pause before replication that stopped with an error is tried again.
const REATTACH_AFTER: Duration = Duration::from_secs(2);

impl Machine {
    /// Receives nothing under any lower epoch.
    pub(super) fn be_revoked(&mut self) {
        match self.role() {
            None => self.start_server(),
            Some(Role::Primary(_)) => self.kill(),
            Some(Role::Gated) => self.start_step(Step::Salvage),
            Some(Role::Quiet) => {}
            Some(Role::Replica { .. }) => {
                if self.now >= self.order_at.after(self.settings.hard_revoke_after) {
                    // A server that hangs may still write to its relay log; dead, it cannot.
                    self.kill();
                } else {
                    self.start_step(Step::StopReceiving);
                }
            }
        }
    }

    /// Replicates from `source` under `epoch`.
    pub(super) fn be_replica(&mut self, epoch: Epoch, source: NodeId) {
        if source == self.identity.node {
            self.trouble = Some("a node cannot replicate from itself".to_owned());
            return;
        }
        match self.role() {
            None => self.start_server(),
            Some(Role::Primary(_)) => self.kill(),
            Some(Role::Gated) => self.start_step(Step::Salvage),
            Some(Role::Quiet) => {
                if !self.drain() && self.step.is_none() && self.now >= self.retry_at {
                    self.set_role(Role::Replica {
                        epoch,
                        source,
                        attached: None,
                    });
                    self.start_step(Step::Attach { epoch });
                }
            }
            Some(Role::Replica {
                epoch: present,
                source: from,
                attached,
            }) if *present == epoch && *from == source => {
                match attached {
                    // An attempt that failed may have started the receiving thread: from the beginning.
                    None => self.start_step(Step::StopReceiving),
                    Some(since) => self.keep_replicating(*since),
                }
            }
            Some(Role::Replica { .. }) => self.start_step(Step::StopReceiving),
        }
    }

    /// Applies what was received first: a new attachment discards what was not applied (invariant I12).
    /// Whether there is something to wait for.
    pub(super) fn drain(&mut self) -> bool {
        let Some(up) = self.up() else { return false };
        if up.facts.applied.covers(&up.facts.received) {
            return false;
        }
        let received = up.facts.received.clone();
        self.start_step(Step::Drain { received });
        true
    }

    pub(super) fn attached(&mut self) {
        let now = self.now;
        if let Some(Role::Replica { attached, .. }) = self.up_mut().map(|up| &mut up.role) {
            *attached = Some(now);
            self.final_binlog = None;
        }
    }

    /// Replication that stopped is taken up again, unless that would discard something.
    fn keep_replicating(&mut self, since: Moment) {
        let Some(up) = self.up() else { return };
        let facts = &up.facts;
        if up.at < since.after(ATTACH_GRACE) || (facts.applier && facts.io != IoThread::No) {
            if facts.applier && facts.io == IoThread::Yes {
                self.trouble = None;
            }
            return;
        }
        let error = facts.replication_error.clone();
        let why = error.unwrap_or_else(|| "replication is stopped".to_owned());
        if !facts.applied.covers(&facts.received) {
            self.trouble = Some(format!("{why}; received transactions wait to be applied"));
            return;
        }
        if self.trouble.is_none() {
            self.retry_at = self.now.after(REATTACH_AFTER);
        } else if self.now >= self.retry_at
            && let Some(Role::Replica { attached, .. }) = self.up_mut().map(|up| &mut up.role)
        {
            *attached = None;
            self.start_step(Step::StopReceiving);
        }
        self.trouble = Some(why);
    }

    /// When the task at hand has to be looked at again, if nothing happens.
    pub(super) fn task_deadline(&self) -> Option<Moment> {
        match self.order.as_ref().map(|order| &order.task)? {
            Task::Revoke if matches!(self.server, Server::Up(_)) => {
                Some(self.order_at.after(self.settings.hard_revoke_after))
            }
            Task::Freeze { limit } => Some(self.order_at.after(*limit)),
            Task::Revoke | Task::Follow { .. } | Task::Promote { .. } | Task::Serve { .. } => None,
        }
    }
}
