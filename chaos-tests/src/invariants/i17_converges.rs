//! I17. Any prefix of the log with any new leader converges: to one open epoch that stays, or to a stated reason why not.
//!
//! Source: `failover.md` §3.8, I17; Orchestrator leaves half-done failovers behind (openark #1296).

use quorate_model::Phase;

use super::{Breach, Trace};

/// Over the end of a run that was left alone.
///
/// # Errors
///
/// It is neither open nor says why, or does not come to rest.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let Some(ending) = &trace.ending else {
        return Ok(());
    };
    if ending.restless > 0 {
        return Err(Breach::new(
            "I17",
            format!(
                "the epoch changed {} times although nothing happened any more",
                ending.restless
            ),
        ));
    }
    if ending.phase != Phase::Open && ending.held_back.is_empty() {
        return Err(Breach::new("I17", format!("{:?} without a reason", ending.phase)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Ending;
    use super::*;

    fn trace(phase: Phase, restless: u64, held_back: &[&str]) -> Trace {
        Trace {
            ending: Some(Ending {
                calm: Duration::from_secs(10),
                bound: Duration::from_secs(5),
                whole: false,
                phase,
                restless,
                held_back: held_back.iter().map(|words| (*words).to_owned()).collect(),
            }),
            ..Trace::default()
        }
    }

    #[test]
    fn silence_and_restlessness_are_caught() {
        assert_eq!(check(&trace(Phase::Open, 0, &[])), Ok(()));
        assert_eq!(check(&trace(Phase::Revoking, 0, &["election: m3 is silent"])), Ok(()));
        assert!(check(&trace(Phase::Revoking, 0, &[])).is_err());
        assert!(check(&trace(Phase::Open, 2, &[])).is_err());
    }
}
