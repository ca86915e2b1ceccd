//! I14. A node, in particular one that truncated its tail at boot, is electable only if its position covers what was required of
//! the primary before.
//!
//! Source: `failover.md` §3.8, I14; fact M7: truncation may take away a row that a replica has acknowledged.

use super::{Breach, Trace};

/// Over every election.
///
/// # Errors
///
/// The first of a node that was behind what was agreed.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    match trace
        .elections
        .iter()
        .find(|election| !election.position.covers(&election.required_before))
    {
        Some(election) => Err(Breach::new(
            "I14",
            format!(
                "{} was elected for epoch {} at {}, behind the required {}",
                election.node, election.epoch, election.position, election.required_before
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::Epoch;

    use super::super::Election;
    use super::*;

    #[test]
    fn an_election_behind_the_required_position_is_caught() {
        let trace = |position: &str| Trace {
            elections: vec![Election {
                epoch: Epoch(3),
                node: "m1".into(),
                required_before: "0-2-20".parse().unwrap(),
                position: position.parse().unwrap(),
                holds: [].into(),
                acknowledged: [].into(),
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace("0-2-20")), Ok(()));
        assert!(check(&trace("0-1-19")).is_err());
    }
}
