//! Orders: sent when they change, and again while a report shows that they are not carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::{AgentReport, Change, Incarnation, Moment, NodeId, Order, Progress, Task};

use super::{Effect, Machine};

/// First pause before an order that is not carried out is repeated.
const REPEAT_MIN: Duration = Duration::from_millis(100);
/// Longest such pause.
const REPEAT_MAX: Duration = Duration::from_secs(1);

/// The last order to one agent.
#[derive(Debug)]
pub(super) struct Sent {
    order: Order,
    at: Moment,
    pause: Duration,
    /// The link is new: it may not have arrived.
    again: bool,
}

impl Machine {
    pub(super) fn send_orders(&mut self, now: Moment, orders: &BTreeMap<NodeId, Order>, effects: &mut Vec<Effect>) {
        for (node, order) in orders {
            if !self.seen.links.get(node).is_some_and(|link| link.connected) {
                continue;
            }
            let order = self.never_back(node, self.within_flight(order));
            let pause = match self.sent.get(node) {
                Some(sent) if !sent.again && sent.order.epoch == order.epoch && sent.order.task == order.task => {
                    let done = self.seen.report(node).is_some_and(|report| is_done(&order, report));
                    if done || now.since(sent.at) < sent.pause {
                        continue;
                    }
                    sent.pause.saturating_mul(2).min(REPEAT_MAX)
                }
                _ => REPEAT_MIN,
            };
            self.sent.insert(
                node.clone(),
                Sent {
                    order: order.clone(),
                    at: now,
                    pause,
                    again: false,
                },
            );
            effects.push(Effect::Send {
                node: node.clone(),
                order,
            });
        }
        self.sent.retain(|node, _| orders.contains_key(node));
    }

    /// A new link: whatever was sent last is sent again.
    pub(super) fn send_again(&mut self, node: &NodeId) {
        if let Some(sent) = self.sent.get_mut(node) {
            sent.again = true;
        }
    }

    /// Of two orders with one index the later one never lets in whom the earlier one shut out: so whoever has taken the later one has
    /// nothing on its way that lets it in (invariant I3).
    fn never_back(&self, node: &NodeId, mut order: Order) -> Order {
        if let Some(Sent { order: last, .. }) = self.sent.get(node)
            && (last.epoch, last.index) == (order.epoch, order.index)
            && let Task::Serve { ack_set: before, .. } | Task::Promote { ack_set: before, .. } = &last.task
            && let Task::Serve { ack_set, .. } | Task::Promote { ack_set, .. } = &mut order.task
        {
            ack_set.retain(|member| before.contains(member));
        }
        order
    }

    /// Whether the primary has taken the last order that it was sent, and that order shuts out everyone whom this ack set leaves out.
    pub(super) fn cut_is_taken(&self, coming: &BTreeMap<NodeId, Incarnation>) -> bool {
        let primary = self.state.primary.as_ref();
        let sent = primary.and_then(|primary| self.sent.get(primary));
        let report = primary.and_then(|primary| self.seen.report(primary));
        let (Some(Sent { order, .. }), Some(report)) = (sent, report) else {
            return false;
        };
        let (Task::Serve { ack_set, .. } | Task::Promote { ack_set, .. }) = &order.task else {
            return false;
        };
        let mut leaving = self.state.ack_set.keys().filter(|node| !coming.contains_key(*node));
        order.epoch == self.state.epoch
            && report.promised == order.epoch
            && report.order_index == order.index
            && leaving.all(|node| !ack_set.contains(node))
    }

    /// An order must hold before and after the change that is under way: until it is applied, nobody is let in whom it shuts out
    /// (invariant I3).
    fn within_flight(&self, order: &Order) -> Order {
        let mut order = order.clone();
        match (&mut order.task, self.proposing()) {
            (
                Task::Serve { ack_set, .. } | Task::Promote { ack_set, .. },
                Some(Change::AckSetChanged { ack_set: coming, .. }),
            ) => ack_set.retain(|node| coming.contains_key(node)),
            (Task::Serve { routers, .. }, Some(Change::RouterRemoved { router })) => {
                routers.remove(router);
            }
            _ => {}
        }
        order
    }
}

/// Whether a report says that an order is carried out.
fn is_done(order: &Order, report: &AgentReport) -> bool {
    let epoch = &order.epoch;
    match (&order.task, &report.progress) {
        (Task::Revoke, Progress::Revoked { epoch: at })
        | (Task::Freeze { .. }, Progress::Frozen { epoch: at, .. })
        | (Task::Promote { .. }, Progress::Ready { epoch: at, .. }) => at == epoch,
        (
            Task::Follow { source, .. },
            Progress::Following {
                epoch: at,
                source: from,
            },
        ) => at == epoch && from == source,
        (Task::Serve { ack_set, routers }, Progress::Serving { epoch: at }) => {
            at == epoch && report.ackable == *ack_set && report.admitted == *routers
        }
        _ => false,
    }
}
