//! I18. Liveness: with a majority of supervisors, the whole ack set and a candidate there, undisturbed for long enough, the
//! epoch opens.
//!
//! Source: `failover.md` §3.8, I18.

use quorate_model::Phase;

use super::{Breach, Trace};

/// Over the end of a run in which nothing was lost that the protocol needs.
///
/// # Errors
///
/// It did not open in time.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    match &trace.ending {
        Some(ending) if ending.whole && ending.calm >= ending.bound && ending.phase != Phase::Open => Err(Breach::new(
            "I18",
            format!(
                "still {:?} after {:?} with everybody there; held back: {}",
                ending.phase,
                ending.calm,
                ending.held_back.join("; ")
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Ending;
    use super::*;

    #[test]
    fn a_run_that_never_opens_is_caught() {
        let trace = |whole, phase| Trace {
            ending: Some(Ending {
                calm: Duration::from_secs(10),
                bound: Duration::from_secs(5),
                whole,
                phase,
                restless: 0,
                held_back: vec!["waiting".to_owned()],
            }),
            ..Trace::default()
        };
        assert_eq!(check(&trace(true, Phase::Open)), Ok(()));
        assert_eq!(
            check(&trace(false, Phase::Revoking)),
            Ok(()),
            "something is missing for good"
        );
        assert!(check(&trace(true, Phase::Revoking)).is_err());
    }
}
