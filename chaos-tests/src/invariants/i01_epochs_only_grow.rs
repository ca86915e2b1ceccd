//! I1. Epochs only grow, one at a time; at most one election and one opening per epoch, of the epoch that began last.
//!
//! Source: `failover.md` §3.8, I1; the same rule as "at most one leader per term" of Raft (Ongaro 2014, §3.4), for database primaries.

use std::collections::BTreeMap;

use quorate_model::{Change, Epoch, NodeId};

use super::{Breach, Trace};

/// Over the decisions of the log.
///
/// # Errors
///
/// The first decision out of order.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let mut current = Epoch::ZERO;
    let mut elected: BTreeMap<Epoch, &NodeId> = BTreeMap::new();
    let mut opened: BTreeMap<Epoch, u64> = BTreeMap::new();
    for decision in &trace.decisions {
        match &decision.change {
            Change::Begin { epoch, .. } => {
                require(*epoch == current.next(), || {
                    format!("epoch {epoch} began after epoch {current}")
                })?;
                current = *epoch;
            }
            Change::Elect { epoch, candidate, .. } => {
                require(*epoch == current, || {
                    format!("epoch {epoch} was decided in epoch {current}")
                })?;
                let twice = elected.insert(*epoch, candidate);
                require(twice.is_none(), || {
                    format!("epoch {epoch} has two primaries: {twice:?} and {candidate}")
                })?;
            }
            Change::Open { epoch, .. } => {
                require(*epoch == current && elected.contains_key(epoch), || {
                    format!("epoch {epoch} opened without an election in epoch {current}")
                })?;
                let twice = opened.insert(*epoch, decision.index);
                require(twice.is_none(), || format!("epoch {epoch} opened twice"))?;
            }
            Change::PolicyChanged { .. }
            | Change::NodeRegistered { .. }
            | Change::AckSetChanged { .. }
            | Change::RouterAdmitted { .. }
            | Change::RouterRemoved { .. }
            | Change::Paused { .. }
            | Change::Resumed { .. }
            | Change::Noted { .. } => {}
        }
    }
    Ok(())
}

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach::new("I1", what())) }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Cause, GtidSet};

    use super::super::Decision;
    use super::*;

    fn trace(changes: Vec<Change>) -> Trace {
        let decisions = changes.into_iter().zip(1..).map(|(change, index)| Decision {
            index,
            by: "planner".to_owned(),
            paused: false,
            change,
        });
        Trace {
            decisions: decisions.collect(),
            ..Trace::default()
        }
    }

    fn begin(epoch: u64) -> Change {
        Change::Begin {
            epoch: Epoch(epoch),
            cause: Cause::PrimaryDown,
            evidence: Vec::new(),
        }
    }

    fn elect(epoch: u64, node: &str) -> Change {
        Change::Elect {
            epoch: Epoch(epoch),
            candidate: node.into(),
            required: GtidSet::new(),
            ack_set: BTreeMap::new(),
            positions: BTreeMap::new(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn a_second_primary_or_a_jump_is_caught() {
        assert_eq!(
            check(&trace(vec![begin(1), elect(1, "m1"), begin(2), elect(2, "m2")])),
            Ok(())
        );
        for planted in [
            vec![begin(1), elect(1, "m1"), elect(1, "m2")],
            vec![begin(1), begin(3)],
            vec![begin(1), begin(1)],
            vec![begin(1), begin(2), elect(1, "m1")],
        ] {
            assert!(check(&trace(planted)).is_err());
        }
    }
}
