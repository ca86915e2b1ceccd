//! I16. Every step is absolute and idempotent: an order that the node already fulfils changes nothing, and one of a stale epoch is
//! refused.
//!
//! Source: `failover.md` §3.8, I16; late and repeated repair commands are behind Vitess B5' and B8.

use super::{Breach, Trace};

/// Over everything that agents acted on.
///
/// # Errors
///
/// The first repetition that changed something, or stale order that did.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let broken = trace
        .acts
        .iter()
        .find(|act| act.changed && (act.was_so || act.order.epoch < act.promised));
    match broken {
        Some(act) => Err(Breach::new(
            "I16",
            format!(
                "{} changed by an order of epoch {} (promised {}, fulfilled before: {})",
                act.node, act.order.epoch, act.promised, act.was_so
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Order, Task};

    use super::super::Act;
    use super::*;

    fn trace(promised: u64, was_so: bool, changed: bool) -> Trace {
        Trace {
            acts: vec![Act {
                node: "m1".into(),
                order: Order {
                    epoch: Epoch(2),
                    index: 7,
                    task: Task::Revoke,
                },
                promised: Epoch(promised),
                was_so,
                changed,
            }],
            ..Trace::default()
        }
    }

    #[test]
    fn a_repetition_with_an_effect_is_caught() {
        assert_eq!(check(&trace(1, false, true)), Ok(()));
        assert_eq!(check(&trace(2, true, false)), Ok(()));
        assert!(check(&trace(2, true, true)).is_err());
        assert!(check(&trace(3, false, true)).is_err());
    }
}
