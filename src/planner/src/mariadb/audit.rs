//! A second reading of the invariants, from scratch.

use quorate_model::{Moment, Observations, Plan, State};

/// A plan that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant, for example `I4`.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

/// Every way in which the plan breaks an invariant; one is enough not to carry it out.
#[must_use]
pub fn audit(_plan: &Plan, _state: &State, _seen: &Observations, _now: Moment) -> Vec<Violation> {
    Vec::new()
}
