//! I10. A lease really ends for its holder no later than its grantor, or whoever took over from the grantor, counts it as ended.
//!
//! Source: `failover.md` §3.8, I10 and §3.4: the holder counts from its own sending time (Gray and Cheriton 1989), the grantor waits
//! `TTL (1+ρ)/(1−ρ) + 50 ms`, a new leader as long from its own election.

use super::{Breach, Trace};

/// Over every lease, in true time.
///
/// # Errors
///
/// The first that outlived its grantor's count.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    match trace.leases.iter().find(|lease| lease.holder_end > lease.grantor_end) {
        Some(lease) => Err(Breach::new(
            "I10",
            format!(
                "the lease of {} in epoch {} outlived its grantor's count by {:?}",
                lease.node,
                lease.epoch,
                lease.holder_end.since(lease.grantor_end)
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Moment};

    use super::super::Lease;
    use super::*;

    #[test]
    fn a_lease_that_lives_too_long_is_caught() {
        let trace = |holder_end| Trace {
            leases: vec![Lease {
                node: "m1".into(),
                epoch: Epoch(1),
                holder_end: Moment::from_micros(holder_end),
                grantor_end: Moment::from_micros(100),
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace(100)), Ok(()));
        assert!(check(&trace(101)).is_err());
    }
}
