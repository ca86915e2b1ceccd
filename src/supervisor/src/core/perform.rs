//! Carrying out what the machine says.

use quorate_api::tls::Role;
use quorate_model::{Command, NodeId};
use quorate_planner::Violation;
use tracing::{error, info};

use super::{Core, propose};
use crate::link::Outbox;
use crate::machine::Effect;
use crate::metric;

impl Core {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Propose(command) => self.propose(command),
            Effect::Send { node, order } => {
                metric::order(&order.task);
                info!(%node, epoch = %order.epoch, task = ?order.task, "order");
                if let Some(outbox) = self.outbox(&node) {
                    outbox.orders.send_replace(Some(order));
                }
            }
            Effect::Grant { node, grant } => {
                if let Some(outbox) = self.outbox(&node) {
                    outbox.leases.send_replace(Some(grant));
                }
            }
            Effect::Routes(table) => {
                self.routes.send_replace(Some(table));
            }
            Effect::View(view) => {
                self.views.send_replace(Some(view));
            }
            Effect::Answer { request, answer } => {
                // An operator who went away needs no answer.
                let _ = self.answers.remove(&request).map(|waiting| waiting.send(answer));
            }
            Effect::Alarm(violations) => alarm(&violations),
        }
    }

    fn propose(&self, command: Command) {
        info!(key = %command.key, by = command.by, change = ?command.change, "proposal");
        let Some(term) = self.machine.term() else { return };
        self.tasks
            .spawn(propose::propose(self.node.clone(), term, command, self.back.clone()));
    }

    fn outbox(&self, node: &NodeId) -> Option<&Outbox> {
        self.live
            .get(&Role::Agent.dns_name(node.as_str()))
            .and_then(|live| live.outbox.as_ref())
    }
}

fn alarm(violations: &[Violation]) {
    metric::violations(violations.len());
    if violations.is_empty() {
        info!("the audit passes again");
    }
    for violation in violations {
        let (invariant, what) = (violation.invariant, &violation.what);
        error!(
            invariant,
            what, "the audit stopped a plan: a defect, please report it; nothing is done until it is gone"
        );
    }
}
