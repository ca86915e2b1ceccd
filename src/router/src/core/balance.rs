//! Which replica takes the next reader: the one with the fewest, unless its door has just failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_model::{Endpoint, Moment, NodeId};

use crate::core::route::{Access, Route};

/// How long a node whose door failed is tried last. The supervisors take it off the table in about the same time.
const SHUN: Duration = Duration::from_secs(1);

/// Open connections and recent failures by node.
#[derive(Debug, Default)]
pub(crate) struct Balance(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    nodes: BTreeMap<NodeId, Use>,
    turn: usize,
}

#[derive(Debug, Default)]
struct Use {
    open: u64,
    shunned_until: Moment,
}

/// A connection counted for its node; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    balance: Arc<Balance>,
    node: NodeId,
}

impl Balance {
    /// Whom to dial, in order; the primary is the last resort of readers, and the leader the only one of writers.
    pub(crate) fn targets(&self, route: &Route, access: Access, now: Moment) -> Vec<Endpoint> {
        if access == Access::Write {
            return route.leader().into_iter().cloned().collect();
        }
        let primary = route.writable();
        let mut targets = route.readable().to_vec();
        if !targets.is_empty() {
            let mut inner = self.lock();
            let turn = inner.turn % targets.len();
            inner.turn = inner.turn.wrapping_add(1);
            targets.rotate_left(turn);
            targets.sort_by_key(|target| {
                inner
                    .nodes
                    .get(&target.node)
                    .map_or((false, 0), |node| (node.shunned_until > now, node.open))
            });
        }
        let last = primary.filter(|primary| targets.iter().all(|target| target.node != primary.node));
        targets.extend(last.cloned());
        targets
    }

    /// Counts a connection.
    pub(crate) fn take(self: &Arc<Self>, node: &NodeId) -> Share {
        let mut inner = self.lock();
        let entry = inner.nodes.entry(node.clone()).or_default();
        entry.open = entry.open.saturating_add(1);
        Share {
            balance: self.clone(),
            node: node.clone(),
        }
    }

    /// The node's door failed.
    pub(crate) fn failed(&self, node: &NodeId, now: Moment) {
        let mut inner = self.lock();
        inner.nodes.retain(|_, node| node.open > 0 || node.shunned_until > now);
        inner.nodes.entry(node.clone()).or_default().shunned_until = now.after(SHUN);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut inner = self.balance.lock();
        if let Some(node) = inner.nodes.get_mut(&self.node) {
            node.open = node.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, RouteTable};

    use super::*;
    use crate::core::route::Routes;

    fn route(writable: Option<&str>, readable: &[&str]) -> Route {
        route_of(writable, None, readable)
    }

    fn route_of(writable: Option<&str>, elected: Option<&str>, readable: &[&str]) -> Route {
        let endpoint = |node: &str| Endpoint {
            node: node.into(),
            door: format!("{node}:1"),
        };
        let routes = Routes::new(Moment::ZERO);
        let table = RouteTable {
            cluster: "lab".into(),
            epoch: Epoch(1),
            index: 1,
            revision: 0,
            writable: writable.map(endpoint),
            elected: elected.map(endpoint),
            readable: readable.iter().map(|node| endpoint(node)).collect(),
        };
        routes.replace(table, Moment::ZERO);
        routes.subscribe().borrow().clone()
    }

    fn names(targets: &[Endpoint]) -> Vec<&str> {
        targets.iter().map(|target| target.node.as_str()).collect()
    }

    #[test]
    fn readers_spread_and_fall_back_to_the_primary() {
        let balance = Arc::new(Balance::default());
        let route = route(Some("m1"), &["m2", "m3"]);
        let now = Moment::ZERO;
        let first = balance.targets(&route, Access::Read, now);
        assert_eq!(names(&first), ["m2", "m3", "m1"]);
        let _share = balance.take(&first[0].node);
        assert_eq!(names(&balance.targets(&route, Access::Read, now)), ["m3", "m2", "m1"]);
        balance.failed(&"m3".into(), now);
        assert_eq!(names(&balance.targets(&route, Access::Read, now)), ["m2", "m3", "m1"]);
        let later = now.after(SHUN);
        assert_eq!(names(&balance.targets(&route, Access::Read, later)), ["m3", "m2", "m1"]);
    }

    #[test]
    fn writers_know_only_the_primary_or_who_is_elected() {
        let balance = Balance::default();
        let now = Moment::ZERO;
        assert_eq!(
            names(&balance.targets(&route(Some("m1"), &["m2"]), Access::Write, now)),
            ["m1"]
        );
        assert!(balance.targets(&route(None, &["m2"]), Access::Write, now).is_empty());
        let elected = route_of(None, Some("m2"), &["m3"]);
        assert!(!elected.is_open());
        assert_eq!(names(&balance.targets(&elected, Access::Write, now)), ["m2"]);
        assert_eq!(names(&balance.targets(&elected, Access::Read, now)), ["m3"]);
    }
}
