//! I6. NoUnbackedAck: when a client is told that its write is committed, another node holds it; unless the declared policy
//! allows commits without acknowledgement at that time.
//!
//! Source: `failover.md` §3.8, I6; facts M3 and M5: an ended wait looks like an acknowledgement to the client.

use super::{Breach, Trace};

/// Over every write that a client was told is committed.
///
/// # Errors
///
/// The first that only its primary held.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let alone = trace
        .writes
        .iter()
        .find(|write| !write.unprotected && write.held_by.iter().all(|holder| *holder == write.node));
    match alone {
        Some(write) => Err(Breach::new(
            "I6",
            format!(
                "write {} was acknowledged by {} in epoch {} while nobody else held it",
                write.row, write.node, write.epoch
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Moment};

    use super::super::Write;
    use super::*;

    #[test]
    fn an_acknowledgement_that_nobody_backs_is_caught() {
        let trace = |held_by: &[&str], unprotected| Trace {
            writes: vec![Write {
                row: 7,
                epoch: Epoch(1),
                node: "m1".into(),
                at: Moment::ZERO,
                held_by: held_by.iter().map(|name| (*name).into()).collect(),
                unprotected,
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace(&["m3"], false)), Ok(()));
        assert_eq!(check(&trace(&[], true)), Ok(()), "by declared policy");
        assert!(check(&trace(&[], false)).is_err());
        assert!(check(&trace(&["m1"], false)).is_err());
    }
}
