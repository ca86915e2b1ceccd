//! Short questions about a plan.

use quorate_model::{Cause, Change, NodeId, Plan, Task};

use super::node;

/// Short questions about a plan.
pub(crate) trait Ask {
    fn begins(&self) -> Option<&Cause>;
    fn elects(&self) -> Option<&NodeId>;
    fn opens(&self) -> bool;
    fn ack_set(&self) -> Option<Vec<&str>>;
    fn task(&self, name: &str) -> Option<&Task>;
    fn waits_for(&self, words: &str) -> bool;
}

impl Ask for Plan {
    fn begins(&self) -> Option<&Cause> {
        self.changes.iter().find_map(|change| match change {
            Change::Begin { cause, .. } => Some(cause),
            _ => None,
        })
    }

    fn elects(&self) -> Option<&NodeId> {
        self.changes.iter().find_map(|change| match change {
            Change::Elect { candidate, .. } => Some(candidate),
            _ => None,
        })
    }

    fn opens(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Open { .. }))
    }

    fn ack_set(&self) -> Option<Vec<&str>> {
        self.changes.iter().find_map(|change| match change {
            Change::AckSetChanged { ack_set, .. } | Change::Elect { ack_set, .. } => {
                Some(ack_set.keys().map(NodeId::as_str).collect())
            }
            _ => None,
        })
    }

    fn task(&self, name: &str) -> Option<&Task> {
        self.orders.get(&node(name)).map(|order| &order.task)
    }

    fn waits_for(&self, words: &str) -> bool {
        self.held_back.iter().any(|held| held.waiting_for.contains(words))
    }
}
