//! I20. `plan` is pure: the same inputs give the same plan, so that the dry run, the explanation and the live decision agree,
//! and a recorded decision can be made again.
//!
//! Source: `failover.md` §3.8, I20.

use quorate_planner::plan;

use super::{Breach, Trace};

/// Over every recorded plan: made again from its inputs, it is the same.
///
/// # Errors
///
/// The first that differs.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for planned in &trace.plans {
        if plan(&planned.state, &planned.seen, planned.now) != planned.plan {
            return Err(Breach::new(
                "I20",
                format!(
                    "the plan for epoch {} at log index {} differs",
                    planned.state.epoch, planned.state.index
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_model::{HeldBack, Moment, Observations, State};

    use super::super::Planned;
    use super::*;

    #[test]
    fn a_plan_that_does_not_follow_from_its_inputs_is_caught() {
        let (state, seen, now) = (
            State::default(),
            Observations::new("s1".into(), Moment::ZERO),
            Moment::ZERO,
        );
        let mut planned = Planned {
            plan: plan(&state, &seen, now),
            state,
            seen,
            now,
        };
        let trace = |planned: &Planned| Trace {
            plans: vec![planned.clone()],
            ..Trace::default()
        };
        assert_eq!(check(&trace(&planned)), Ok(()));
        planned.plan.held_back.push(HeldBack {
            what: "something".to_owned(),
            waiting_for: "the phase of the moon".to_owned(),
            until: None,
        });
        assert!(check(&trace(&planned)).is_err());
    }
}
