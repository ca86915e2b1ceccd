//! I2. An agent's promised epoch never decreases, not even across restarts, and it carries out no order below it.
//!
//! Source: `failover.md` §3.8, I2; a promise that is forgotten lets a late order of a deposed leader re-attach a replica to the old
//! primary (Vitess S12: 1,232 acknowledged rows lost).

use std::collections::BTreeMap;

use quorate_model::{Epoch, NodeId};

use super::{Breach, Trace};

/// Over the promises on disk, in order, and over what agents carried out.
///
/// # Errors
///
/// The first promise that shrank or order that was carried out below one.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let mut highest: BTreeMap<&NodeId, Epoch> = BTreeMap::new();
    for (node, promised) in &trace.promises {
        let before = highest.insert(node, *promised).unwrap_or_default();
        if *promised < before {
            return Err(Breach::new("I2", format!("{node} promised {promised} after {before}")));
        }
    }
    match trace
        .acts
        .iter()
        .find(|act| act.changed && act.order.epoch < act.promised)
    {
        Some(act) => Err(Breach::new(
            "I2",
            format!(
                "{} carried out an order of epoch {} after promising {}",
                act.node, act.order.epoch, act.promised
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Order, Task};

    use super::super::Act;
    use super::*;

    #[test]
    fn a_forgotten_promise_is_caught() {
        let promises = |list: &[u64]| Trace {
            promises: list.iter().map(|epoch| ("m1".into(), Epoch(*epoch))).collect(),
            ..Trace::default()
        };
        assert_eq!(check(&promises(&[1, 2, 2, 5])), Ok(()));
        assert!(check(&promises(&[1, 2, 1])).is_err());
    }

    #[test]
    fn an_order_below_the_promise_is_caught() {
        let act = |changed| Act {
            node: "m1".into(),
            order: Order {
                epoch: Epoch(3),
                index: 9,
                task: Task::Revoke,
            },
            promised: Epoch(4),
            was_so: false,
            changed,
        };
        let trace = |changed| Trace {
            acts: vec![act(changed)],
            ..Trace::default()
        };
        assert_eq!(check(&trace(false)), Ok(()), "refused");
        assert!(check(&trace(true)).is_err());
    }
}
