//! Where a statement goes, and why. One function for the decision and for `EXPLAIN ROUTE`.

use super::needs::{Effect, Needs, Place, WishPlace, Within};
use super::pins::{Pin, Pins};
use crate::mysql::sql::verdict::Facts;

/// One of the two servers of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The primary.
    Primary,
    /// A replica; the primary if none is fit.
    Replica,
}

/// What holds of a session between two commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    /// A transaction is open on the primary.
    pub(crate) writing: bool,
    /// A read-only transaction is open on a replica.
    pub(crate) reading: bool,
    /// Without it every statement is in a transaction.
    pub(crate) autocommit: bool,
    /// `SET TRANSACTION` was said on the primary, and the transaction that it is for is not over.
    pub(crate) announced: bool,
    pub(crate) pins: &'a Pins,
    /// Where the last statement ran.
    pub(crate) last: Side,
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) side: Side,
    /// A node by the hash of its name, if a hint named one.
    pub(crate) node: Option<u64>,
    /// For people.
    pub(crate) why: &'static str,
}

/// Decides. The state that the servers report outranks hints, and hints outrank the classifier; but no hint sends a
/// write to a replica.
pub(crate) fn decide(needs: &Needs, standing: &Standing<'_>) -> Decision {
    let primary = |why| Decision {
        side: Side::Primary,
        node: None,
        why,
    };
    let replica = |why| Decision {
        side: Side::Replica,
        node: None,
        why,
    };
    if standing.reading {
        return match needs.within {
            Within::End => primary("ends the read-only transaction on the replica"),
            Within::Beside => primary("the primary's business, beside the read-only transaction on the replica"),
            Within::Part | Within::Several => replica("a read-only transaction is open on a replica"),
        };
    }
    if standing.writing {
        return primary("a transaction is open");
    }
    if !standing.autocommit {
        return primary("autocommit is off");
    }
    if standing.announced {
        return primary("SET TRANSACTION waits there for its transaction");
    }
    if let Some(place) = needs.wish.place {
        return wished(place, needs, standing);
    }
    match needs.place {
        Place::Primary if needs.effect == Effect::Begin && needs.read_only => match standing.pins.first() {
            // What is pinned may be asked for, or given back, by any statement of the transaction.
            Some(pin) => primary(pin.name()),
            None => replica("a read-only transaction"),
        },
        Place::Primary => primary(needs.why),
        Place::WhereLast => Decision {
            side: standing.last,
            node: None,
            why: needs.why,
        },
        Place::Anywhere => match held(needs, standing.pins) {
            Some(pin) => primary(pin.name()),
            None => replica(needs.why),
        },
    }
}

/// The pin for which a read must go to the primary.
fn held(needs: &Needs, pins: &Pins) -> Option<Pin> {
    if pins.none() {
        return None;
    }
    let variable = pins.has(Pin::UserVariable) && needs.facts.has(Facts::READS_USER_VARIABLES);
    pins.holding_reads().or_else(|| variable.then_some(Pin::UserVariable))
}

fn wished(place: WishPlace, needs: &Needs, standing: &Standing<'_>) -> Decision {
    let reads = needs.effect == Effect::Read || needs.effect == Effect::Begin && needs.read_only;
    let writes = !reads || needs.facts.has(Facts::MAY_WRITE);
    let to = |side, node, why| Decision { side, node, why };
    let begins = needs.effect == Effect::Begin;
    match place {
        WishPlace::Primary => to(Side::Primary, None, "a hint says so"),
        _ if begins && !standing.pins.none() => to(Side::Primary, None, "a pin holds all of a transaction"),
        _ if writes => to(Side::Primary, None, "a hint cannot send a write to a replica"),
        WishPlace::Replica => to(Side::Replica, None, "a hint says so"),
        WishPlace::Last => to(standing.last, None, "a hint says so"),
        WishPlace::Node(node) => to(Side::Replica, Some(node), "a hint names the node"),
    }
}

#[cfg(test)]
#[path = "route_test.rs"]
mod tests;
