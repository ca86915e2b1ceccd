//! I8. At most one node can acknowledge writes at any time: it takes writes, and either somebody can acknowledge them or it does
//! not wait for anyone. Being writable alone is no breach.
//!
//! Source: `failover.md` §3.8, I8; the usual "read_only on all but one" is neither necessary nor sufficient.

use quorate_model::NodeId;

use super::{Breach, Node, Trace};

/// Over all nodes now.
///
/// # Errors
///
/// Two of them.
pub fn check(trace: &Trace) -> Result<(), Breach> {
    let capable: Vec<&NodeId> = trace
        .nodes
        .iter()
        .filter(|(_, node)| acknowledges(node))
        .map(|(name, _)| name)
        .collect();
    match capable.as_slice() {
        [one, two, ..] => Err(Breach::new(
            "I8",
            format!("{one} and {two} can both acknowledge writes"),
        )),
        _ => Ok(()),
    }
}

fn acknowledges(node: &Node) -> bool {
    node.primary.is_some() && node.writable && (!node.semi_sync || !node.ackers.is_empty())
}

#[cfg(test)]
mod tests {
    use quorate_model::Epoch;

    use super::*;

    fn primary(epoch: u64, semi_sync: bool, ackers: &[&str]) -> Node {
        Node {
            primary: Some(Epoch(epoch)),
            writable: true,
            semi_sync,
            ackers: ackers.iter().map(|name| (*name).into()).collect(),
            ..Node::default()
        }
    }

    #[test]
    fn two_ack_capable_primaries_are_caught() {
        let trace = |old: Node| Trace {
            nodes: [("m1".into(), old), ("m2".into(), primary(2, true, &["m3"]))].into(),
            ..Trace::default()
        };
        assert_eq!(
            check(&trace(primary(1, true, &[]))),
            Ok(()),
            "writable, and nobody answers"
        );
        assert!(check(&trace(primary(1, true, &["m3"]))).is_err());
        assert!(check(&trace(primary(1, false, &[]))).is_err(), "it waits for nobody");
    }
}
