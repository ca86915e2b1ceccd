//! I5. NoLostAck: every write that a client was told is committed, in epochs up to e, is on the primary of e+1 when e+1 opens.
//!
//! Source: `failover.md` §3.8, I5; the one promise that everything else serves.

use super::{Breach, Trace};

/// Over every opening. A write of a lower epoch that was acknowledged after it counts as well: nobody will ever see it.
///
/// # Errors
///
/// The first acknowledged write that was lost.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for opening in &trace.openings {
        let lost = trace
            .writes
            .iter()
            .find(|write| write.epoch < opening.epoch && !opening.holds.contains(&write.row));
        if let Some(write) = lost {
            return Err(Breach::new(
                "I5",
                format!(
                    "write {} was acknowledged by {} in epoch {} and is not on {}, open in epoch {}",
                    write.row, write.node, write.epoch, opening.node, opening.epoch
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Moment};

    use super::super::{Opening, Write};
    use super::*;

    #[test]
    fn a_lost_write_is_caught() {
        let trace = |holds: &[u64]| Trace {
            writes: vec![Write {
                row: 7,
                epoch: Epoch(1),
                node: "m1".into(),
                at: Moment::ZERO,
                held_by: ["m2".into()].into(),
                unprotected: false,
            }],
            openings: vec![Opening {
                epoch: Epoch(2),
                node: "m2".into(),
                at: Moment::ZERO,
                row_acknowledged: true,
                holds: holds.iter().copied().collect(),
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace(&[6, 7])), Ok(()));
        assert!(check(&trace(&[6, 8])).is_err());
    }
}
