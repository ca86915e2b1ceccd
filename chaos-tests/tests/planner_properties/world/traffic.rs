//! What nodes do, and the messages between them and the leaders.

use std::collections::VecDeque;
use std::time::Duration;

use quorate_chaos::invariants::{Revocation, Row, Write};
use quorate_model::{NodeId, RouterId, RouterReport, Seen};

use super::World;
use crate::node::{Node, Server, Txn};

impl World {
    pub(crate) fn node(&mut self, which: u8) -> &mut Node {
        let which = usize::from(which) % self.nodes.len();
        self.nodes.values_mut().nth(which).unwrap()
    }

    pub(crate) fn name(&self, which: u8) -> NodeId {
        self.nodes
            .keys()
            .nth(usize::from(which) % self.nodes.len())
            .unwrap()
            .clone()
    }

    /// Whether `replica` has a stream from its source, whose acknowledgements may or may not pass.
    pub(super) fn fed(&self, replica: &NodeId) -> Option<NodeId> {
        let node = &self.nodes[replica];
        let Server::Replica { epoch, source } = &node.server else {
            return None;
        };
        let from = self.nodes.get(source)?;
        let same = from.primary().is_some_and(|primary| primary.epoch == *epoch);
        let len = node.len();
        let prefix = len == 0
            || (len <= from.binlog.len()
                && node.at(len - 1).map(|txn| txn.uid) == from.binlog.get(len - 1).map(|txn| txn.uid));
        (node.works() && from.feeds() && same && prefix && node.side == from.side).then(|| source.clone())
    }

    /// A replica receives what its primary has, and acknowledges it if its acknowledgements pass.
    pub(crate) fn stream(&mut self, replica: &NodeId, most: usize) {
        let Some(source) = self.fed(replica) else {
            return;
        };
        let len = self.nodes[replica].len();
        let news: Vec<_> = self.nodes[&source]
            .binlog
            .iter()
            .skip(len)
            .take(most)
            .copied()
            .collect();
        if let Some(node) = self.nodes.get_mut(replica) {
            node.relay.extend(news);
        }
        let upto = self.nodes[replica].len();
        let passes = self.nodes[&source]
            .primary()
            .is_some_and(|primary| primary.ackable.contains(replica));
        if passes {
            self.acknowledge(&source, upto);
        }
    }

    fn acknowledge(&mut self, source: &NodeId, upto: usize) {
        let Some(primary) = self.nodes[source].primary().cloned() else {
            return;
        };
        let told: Vec<Row> = self.nodes[source]
            .binlog
            .iter()
            .take(upto)
            .skip(primary.acked)
            .filter(|txn| txn.client && primary.unlocked)
            .map(|txn| txn.uid)
            .collect();
        for row in told {
            let held_by = self
                .nodes
                .values()
                .filter(|node| node.name != *source && node.held().any(|txn| txn.uid == row))
                .map(|node| node.name.clone())
                .collect();
            self.acknowledged.insert(row);
            self.trace.writes.push(Write {
                row,
                epoch: primary.epoch,
                node: source.clone(),
                at: self.now,
                held_by,
                unprotected: false,
            });
        }
        if let Some(primary) = self.nodes.get_mut(source).and_then(Node::primary_mut) {
            primary.acked = primary.acked.max(upto);
        }
    }

    /// A client writes to whoever lets it.
    pub(crate) fn write(&mut self, which: u8) {
        self.uid += 1;
        let uid = self.uid;
        let node = self.node(which);
        if node.writable() && node.door_open() {
            let server = node.server_id;
            node.binlog.push(Txn {
                server,
                uid,
                client: true,
            });
        }
    }

    pub(crate) fn apply(&mut self, which: u8) {
        let node = self.node(which);
        if matches!(node.server, Server::Replica { .. }) && !node.relay.is_empty() {
            let txn = node.relay.remove(0);
            node.binlog.push(txn);
        }
    }

    pub(crate) fn work(&mut self, which: u8, lose: u8) {
        let name = self.name(which);
        let mut uid = self.uid;
        let before = self.nodes[&name].progress_epoch();
        if let Some(node) = self.nodes.get_mut(&name) {
            node.work(&mut uid, usize::from(lose % 6));
        }
        self.uid = uid;
        let after = self.nodes[&name].progress_epoch();
        if let (false, Some(epoch)) = (before == after, after) {
            self.trace.revocations.push(Revocation {
                node: name,
                epoch,
                at: self.now,
            });
        }
    }

    /// A node puts a report on its way to both leaders.
    pub(crate) fn send_report(&mut self, which: u8) {
        let name = self.name(which);
        let fed = self.fed(&name).is_some();
        let node = self.node(which);
        if !node.works() || !node.reachable {
            return;
        }
        let report = node.report(fed);
        for leader in &mut self.leaders {
            leader.mail.entry(name.clone()).or_default().push_back(report.clone());
        }
    }

    /// Reports of a node arrive at a leader, in their order.
    pub(crate) fn receive(&mut self, which: u8, at_leader: usize, most: usize) {
        let name = self.name(which);
        let now = self.now;
        let leader = &mut self.leaders[at_leader % 2];
        for _ in 0..most {
            let Some(report) = leader.mail.get_mut(&name).and_then(VecDeque::pop_front) else {
                return;
            };
            leader.seen.hear(now, report);
        }
    }

    /// A router says that it has no connection left below the agreed epoch.
    pub(crate) fn router(&mut self) {
        let router = RouterId::new("r1");
        let report = RouterReport {
            router: router.clone(),
            confirmed: self.state.epoch,
            index: self.state.index,
            connections: 0,
            held: 0,
        };
        let at = self.now;
        for leader in &mut self.leaders {
            let value = report.clone();
            leader.seen.routers.insert(router.clone(), Seen { at, value });
        }
    }

    /// The next order on some way arrives, arrives twice, or is lost. Whether there was one.
    pub(crate) fn deliver(&mut self, which: u8, twice: bool, lost: bool) -> bool {
        self.orders.retain(|_, way| !way.is_empty());
        if self.orders.is_empty() {
            return false;
        }
        let place = usize::from(which) % self.orders.len();
        let Some(((_, name), way)) = self.orders.iter_mut().nth(place) else {
            return false;
        };
        let order = if twice { way.front().cloned() } else { way.pop_front() };
        if let (Some(node), Some(order)) = (self.nodes.get_mut(name), order)
            && !lost
            && node.reachable
        {
            node.take(&order);
        }
        true
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }
}
