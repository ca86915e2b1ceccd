//! Orders: sent when they change, and again while a report shows that they are not carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::{AgentReport, Change, Moment, NodeId, Order, Progress, Task};

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
}

impl Machine {
    pub(super) fn send_orders(&mut self, now: Moment, orders: &BTreeMap<NodeId, Order>, effects: &mut Vec<Effect>) {
        for (node, order) in orders {
            if !self.seen.links.get(node).is_some_and(|link| link.connected) {
                continue;
            }
            let order = self.within_flight(order);
            let pause = match self.sent.get(node) {
                Some(sent) if sent.order.epoch == order.epoch && sent.order.task == order.task => {
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
                },
            );
            effects.push(Effect::Send {
                node: node.clone(),
                order,
            });
        }
        self.sent.retain(|node, _| orders.contains_key(node));
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
