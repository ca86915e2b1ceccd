//! Plan, audit, act.

use quorate_model::{Moment, Plan};
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
        self.act_on(now, plan, effects);
    }

    /// Acts on a plan that passes the audit.
    pub(super) fn act_on(&mut self, now: Moment, plan: Plan, effects: &mut Vec<Effect>) {
        let violations = audit(&plan, &self.state, &self.seen, now);
        if violations != self.violations {
            effects.push(Effect::Alarm(violations.clone()));
            self.violations = violations;
        }
        if self.violations.is_empty() {
            self.propose_next(now, &plan.changes, effects);
            self.send_orders(now, &plan.orders, effects);
            if let Some(table) = &plan.routes {
                self.publish(table.clone(), effects);
            }
        }
        self.plan = Some(plan);
    }
}
