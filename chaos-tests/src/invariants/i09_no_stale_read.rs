//! I9. In strict mode no routed read of epoch e starts after the first acknowledged write of a later epoch.
//!
//! Source: `failover.md` §3.8, I9 and §3.7. Clocks may drift by 1 % at most, or every router confirmed.

use super::{Breach, Trace};

/// Over every read through a router.
///
/// # Errors
///
/// The first read of an old primary that could have missed a newer write.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for read in &trace.reads {
        let newer = trace
            .writes
            .iter()
            .find(|write| write.epoch > read.epoch && write.at < read.at);
        if let Some(write) = newer {
            return Err(Breach::new(
                "I9",
                format!(
                    "router {} read under epoch {} after write {} was acknowledged under epoch {}",
                    read.router, read.epoch, write.row, write.epoch
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Moment};

    use super::super::{Read, Write};
    use super::*;

    #[test]
    fn a_stale_read_is_caught() {
        let trace = |at| Trace {
            writes: vec![Write {
                row: 7,
                epoch: Epoch(2),
                node: "m2".into(),
                at: Moment::from_micros(10),
                held_by: ["m3".into()].into(),
                unprotected: false,
            }],
            reads: vec![Read {
                router: "r1".into(),
                epoch: Epoch(1),
                at: Moment::from_micros(at),
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace(9)), Ok(()));
        assert!(check(&trace(11)).is_err());
    }
}
