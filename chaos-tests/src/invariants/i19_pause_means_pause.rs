//! I19. In a pause the planner begins no epoch and changes no ack set; leases still enforce safety. An epoch that a person began
//! is brought to its end, since half of one would be an outage.
//!
//! Source: `failover.md` §3.8, I19; whole-cluster pause after patroni #1259.

use quorate_model::Change;

use super::{Breach, Trace};

/// Over the decisions of the log.
///
/// # Errors
///
/// The first that the planner made in a pause.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let forbidden = trace.decisions.iter().find(|decision| {
        decision.paused
            && decision.by == "planner"
            && matches!(decision.change, Change::Begin { .. } | Change::AckSetChanged { .. })
    });
    match forbidden {
        Some(decision) => Err(Breach::new(
            "I19",
            format!(
                "log entry {} was decided in a pause: {:?}",
                decision.index, decision.change
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Cause, Epoch};

    use super::super::Decision;
    use super::*;

    #[test]
    fn an_epoch_begun_in_a_pause_is_caught() {
        let trace = |by: &str, paused| Trace {
            decisions: vec![Decision {
                index: 9,
                by: by.to_owned(),
                paused,
                change: Change::Begin {
                    epoch: Epoch(2),
                    cause: Cause::PrimaryDown,
                    evidence: Vec::new(),
                },
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace("planner", false)), Ok(()));
        assert_eq!(check(&trace("ann", true)), Ok(()), "a person asked");
        assert!(check(&trace("planner", true)).is_err());
    }
}
