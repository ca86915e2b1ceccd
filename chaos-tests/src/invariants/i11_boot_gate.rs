//! I11. Boot gate: a server comes up read-only, receiving nothing, with semi-sync off and its door closed, until it is told what
//! to be.
//!
//! Source: `failover.md` §3.8, I11; start first and ask later is the split-brain pattern of bitnami/charts #20998.

use super::{Breach, Trace};

/// Over every start of a server.
///
/// # Errors
///
/// The first that came up as more than nothing.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let ungated = trace
        .boots
        .iter()
        .find(|boot| !boot.read_only || boot.replicating || boot.armed || !boot.door_closed);
    match ungated {
        Some(boot) => Err(Breach::new("I11", format!("ungated start: {boot:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Boot;
    use super::*;

    #[test]
    fn a_start_past_the_gate_is_caught() {
        let gated = Boot {
            node: "m1".into(),
            read_only: true,
            replicating: false,
            armed: false,
            door_closed: true,
        };
        let trace = |boot: Boot| Trace {
            boots: vec![boot],
            ..Trace::default()
        };
        assert_eq!(check(&trace(gated.clone())), Ok(()));
        for planted in [
            Boot {
                read_only: false,
                ..gated.clone()
            },
            Boot {
                replicating: true,
                ..gated.clone()
            },
            Boot {
                armed: true,
                ..gated.clone()
            },
            Boot {
                door_closed: false,
                ..gated
            },
        ] {
            assert!(check(&trace(planted)).is_err());
        }
    }
}
