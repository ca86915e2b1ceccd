//! I4. An election implies that Safe(c) was true on evidence of its own epoch: whoever is elected really holds every write that
//! was acknowledged until then, and the plan that elected it passes the audit.
//!
//! Source: `failover.md` §3.8, I4 and §3.5; revoke, then establish (Sougoumarane, "Consensus algorithms at scale", parts 4 and 5).

use quorate_model::Change;
use quorate_planner::audit;

use super::{Breach, Trace};

/// Over every election, by the truth, and over every plan that elected, by its audit.
///
/// # Errors
///
/// The first election that was not safe.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for election in &trace.elections {
        if let Some(row) = election.acknowledged.difference(&election.holds).next() {
            return Err(Breach::new(
                "I4",
                format!(
                    "{} was elected for epoch {} without acknowledged write {row}",
                    election.node, election.epoch
                ),
            ));
        }
    }
    for planned in &trace.plans {
        let elects = planned
            .plan
            .changes
            .iter()
            .any(|change| matches!(change, Change::Elect { .. }));
        if elects && let Some(violation) = audit(&planned.plan, &planned.state, &planned.seen, planned.now).first() {
            return Err(Breach::new(
                "I4",
                format!(
                    "an election was planned against {}: {}",
                    violation.invariant, violation.what
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, GtidSet};

    use super::super::Election;
    use super::*;

    #[test]
    fn an_election_without_an_acknowledged_write_is_caught() {
        let election = |holds: &[u64]| Election {
            epoch: Epoch(2),
            node: "m2".into(),
            required_before: GtidSet::new(),
            position: GtidSet::new(),
            holds: holds.iter().copied().collect(),
            acknowledged: [1, 2].into(),
        };
        let trace = |holds: &[u64]| Trace {
            elections: vec![election(holds)],
            ..Trace::default()
        };
        assert_eq!(check(&trace(&[1, 2, 3])), Ok(()));
        assert!(check(&trace(&[1, 3])).is_err());
    }
}
