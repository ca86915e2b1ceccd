//! I15. A door is open to writing clients only under an epoch that was opened on its node, whose first row another node
//! acknowledged, and only while its lease holds.
//!
//! Source: `failover.md` §3.8, I15; a node restarted in place could otherwise show rows that were never acknowledged (M6).

use quorate_model::DoorState;

use super::{Breach, Trace};

/// Over every door that is open now.
///
/// # Errors
///
/// The first that serves without a barrier or a lease.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for (name, node) in &trace.nodes {
        let DoorState::Open { epoch } = node.door else {
            continue;
        };
        let barrier = trace
            .openings
            .iter()
            .any(|opening| opening.epoch == epoch && opening.node == *name && opening.row_acknowledged);
        if !barrier {
            return Err(Breach::new(
                "I15",
                format!("{name} serves epoch {epoch}, which was not opened on it"),
            ));
        }
        if !node.leased {
            return Err(Breach::new(
                "I15",
                format!("{name} serves epoch {epoch} without a lease"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Moment};

    use super::super::{Node, Opening};
    use super::*;

    fn trace(leased: bool, row_acknowledged: bool) -> Trace {
        let node = Node {
            door: DoorState::Open { epoch: Epoch(2) },
            leased,
            ..Node::default()
        };
        Trace {
            nodes: [("m2".into(), node)].into(),
            openings: vec![Opening {
                epoch: Epoch(2),
                node: "m2".into(),
                at: Moment::ZERO,
                row_acknowledged,
                holds: [].into(),
            }],
            ..Trace::default()
        }
    }

    #[test]
    fn service_without_a_barrier_or_a_lease_is_caught() {
        assert_eq!(check(&trace(true, true)), Ok(()));
        assert!(check(&trace(false, true)).is_err());
        assert!(check(&trace(true, false)).is_err());
        let mut never = trace(true, true);
        never.openings.clear();
        assert!(check(&never).is_err());
    }
}
