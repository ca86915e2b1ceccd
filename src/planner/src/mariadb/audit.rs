//! A second reading of the invariants, from scratch: it reads the plan and its inputs, and shares no code with what made it.

mod changes;
mod orders;
mod safety;

use quorate_model::{Moment, Observations, Plan, State};

/// A plan that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant, for example `I4`.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

/// The plan under audit with its inputs.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    plan: &'a Plan,
    state: &'a State,
    seen: &'a Observations,
    now: Moment,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn require(&mut self, holds: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation {
                invariant,
                what: what(),
            });
        }
    }
}

/// Every way in which the plan breaks an invariant; one is enough not to carry it out.
#[must_use]
pub fn audit(plan: &Plan, state: &State, seen: &Observations, now: Moment) -> Vec<Violation> {
    let case = Case { plan, state, seen, now };
    let mut findings = Findings::default();
    orders::check(&case, &mut findings);
    changes::check(&case, &mut findings);
    findings.0
}
