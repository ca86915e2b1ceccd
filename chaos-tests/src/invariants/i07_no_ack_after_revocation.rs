//! I7. The primary of e acknowledges nothing after its whole ack set was revoked for a higher epoch.
//!
//! Source: `failover.md` §3.8, I7; measured: a deposed primary left alive with four writers acknowledged nothing after the revocation.

use std::collections::BTreeMap;

use quorate_model::{Epoch, Moment, NodeId};

use super::{Breach, Trace};

/// Over every acknowledged write, against the moment at which the last member of its epoch's ack set was cut.
///
/// # Errors
///
/// The first acknowledgement that came too late.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let silenced: BTreeMap<Epoch, Moment> = trace
        .ack_sets
        .iter()
        .filter(|(_, members)| !members.is_empty())
        .filter_map(|(epoch, members)| {
            let cuts: Option<Vec<Moment>> = members.iter().map(|member| cut(trace, member, *epoch)).collect();
            Some((*epoch, cuts?.into_iter().max()?))
        })
        .collect();
    let late = trace
        .writes
        .iter()
        .find(|write| !write.unprotected && silenced.get(&write.epoch).is_some_and(|end| write.at > *end));
    match late {
        Some(write) => Err(Breach::new(
            "I7",
            format!(
                "{} acknowledged write {} of epoch {} after all were revoked",
                write.node, write.row, write.epoch
            ),
        )),
        None => Ok(()),
    }
}

fn cut(trace: &Trace, member: &NodeId, epoch: Epoch) -> Option<Moment> {
    trace
        .revocations
        .iter()
        .filter(|revocation| revocation.node == *member && revocation.epoch > epoch)
        .map(|revocation| revocation.at)
        .min()
}

#[cfg(test)]
mod tests {
    use super::super::{Revocation, Write};
    use super::*;

    fn trace(at: u64) -> Trace {
        let revocation = |name: &str, at| Revocation {
            node: name.into(),
            epoch: Epoch(2),
            at: Moment::from_micros(at),
        };
        Trace {
            ack_sets: [(Epoch(1), ["m2".into(), "m3".into()].into())].into(),
            revocations: vec![revocation("m2", 10), revocation("m3", 20)],
            writes: vec![Write {
                row: 7,
                epoch: Epoch(1),
                node: "m1".into(),
                at: Moment::from_micros(at),
                held_by: ["m3".into()].into(),
                unprotected: false,
            }],
            ..Trace::default()
        }
    }

    #[test]
    fn a_late_acknowledgement_is_caught() {
        assert_eq!(check(&trace(15)), Ok(()), "m3 could still acknowledge");
        assert!(check(&trace(21)).is_err());
    }
}
