//! Plan, audit, act.

use quorate_model::Moment;
use quorate_planner::{audit, plan};

use super::{Effect, Machine};

impl Machine {
    /// Plans on what is known now and acts on it, if this supervisor may. A plan that breaks the audit is kept for explanation
    /// and otherwise dropped whole: no proposal, no order, no lease and no route comes of it.
    pub(super) fn decide(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if !self.may_act(now) {
            return;
        }
        self.age_suspicions(now);
        let plan = plan(&self.state, &self.seen, now);
        let violations = audit(&plan, &self.state, &self.seen, now);
        if violations != self.violations {
            effects.push(Effect::Alarm(violations.clone()));
            self.violations = violations;
        }
        let plan = self.plan.insert(plan);
        if self.violations.is_empty() {
            let changes = std::mem::take(&mut plan.changes);
            let orders = std::mem::take(&mut plan.orders);
            let routes = plan.routes.clone();
            self.propose_next(now, &changes, effects);
            self.send_orders(now, &orders, effects);
            if let Some(table) = routes {
                self.publish(table, effects);
            }
            if let Some(plan) = &mut self.plan {
                plan.changes = changes;
                plan.orders = orders;
            }
        }
    }
}
