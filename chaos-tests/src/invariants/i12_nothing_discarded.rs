//! I12. No received but unapplied event is thrown away unless the elected primary or another vouching member of the ack set
//! holds it. Checked for what was acknowledged to a client.
//!
//! Source: `failover.md` §3.8, I12; fact M8: starting replication in GTID mode after a restart deletes the relay logs.

use super::{Breach, Trace};

/// Over everything that was thrown away.
///
/// # Errors
///
/// The first acknowledged write of which this may have been the last copy.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for discard in &trace.discards {
        if let Some(row) = discard.rows.difference(&discard.covered).next() {
            return Err(Breach::new(
                "I12",
                format!(
                    "{} threw away acknowledged write {row}, which nobody else vouches for",
                    discard.node
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Discard;
    use super::*;

    #[test]
    fn a_last_copy_thrown_away_is_caught() {
        let trace = |covered: &[u64]| Trace {
            discards: vec![Discard {
                node: "m2".into(),
                rows: [4, 5].into(),
                covered: covered.iter().copied().collect(),
            }],
            ..Trace::default()
        };
        assert_eq!(check(&trace(&[4, 5, 6])), Ok(()));
        assert!(check(&trace(&[4])).is_err());
    }
}
