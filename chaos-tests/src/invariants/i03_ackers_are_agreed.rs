//! I3. Whoever can acknowledge the primary of epoch e is in the ack set of e as committed, at every instant.
//!
//! Source: `failover.md` §3.8, I3; the ack set is an over-approximation, so that revoking all of it silences the primary for certain.

use super::{Breach, Trace};

/// Over every node that has the primary role now, deposed ones too.
///
/// # Errors
///
/// The first acknowledgement that nobody agreed to.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    for (name, node) in &trace.nodes {
        let Some(epoch) = node.primary else {
            continue;
        };
        let agreed = trace.ack_sets.get(&epoch);
        let stranger = node
            .ackers
            .iter()
            .find(|acker| agreed.is_none_or(|agreed| !agreed.contains(*acker)));
        if let Some(acker) = stranger {
            return Err(Breach::new(
                "I3",
                format!("{acker} can acknowledge {name} in epoch {epoch}; agreed are {agreed:?}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_model::Epoch;

    use super::super::Node;
    use super::*;

    #[test]
    fn an_acker_from_outside_is_caught() {
        let mut trace = Trace::default();
        trace.ack_sets.insert(Epoch(1), ["m2".into()].into());
        let node = |ackers: &[&str]| Node {
            primary: Some(Epoch(1)),
            ackers: ackers.iter().map(|name| (*name).into()).collect(),
            ..Node::default()
        };
        trace.nodes.insert("m1".into(), node(&["m2"]));
        assert_eq!(check(&trace), Ok(()));
        trace.nodes.insert("m1".into(), node(&["m2", "m3"]));
        assert!(check(&trace).is_err());
        trace.ack_sets.clear();
        trace.nodes.insert("m1".into(), node(&["m2"]));
        assert!(check(&trace).is_err(), "an epoch without an agreed set");
    }
}
