//! I13. Semi-sync is never switched off and no waiting commit is killed on a live server that has waiters; such a server is
//! stopped by SIGKILL only.
//!
//! Source: `failover.md` §3.8, I13; facts M3 and M5: SIGTERM, KILL and switching semi-sync off all make unacknowledged rows real.

use super::{Breach, Trace};

/// Over every release of waiting commits.
///
/// # Errors
///
/// The first that was none by acknowledgement or death.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    match trace.releases.iter().find(|release| release.waiting > 0) {
        Some(release) => Err(Breach::new(
            "I13",
            format!(
                "{} waiting commits of {} were ended by {}",
                release.waiting, release.node, release.how
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Release;
    use super::*;

    #[test]
    fn a_released_waiter_is_caught() {
        let trace = |waiting| Trace {
            releases: vec![Release {
                node: "m1".into(),
                waiting,
                how: "semi-sync off".to_owned(),
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace(0)), Ok(()), "nobody waited");
        assert!(check(&trace(3)).is_err());
    }
}
