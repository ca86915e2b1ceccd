//! What every concern writes: a plan in the making.

use std::collections::BTreeMap;
use std::fmt::Display;

use quorate_model::{Change, Epoch, HeldBack, Moment, NodeId, Order, Reason, State, Task};

/// A plan in the making.
#[derive(Debug)]
pub(crate) struct Draft {
    epoch: Epoch,
    index: u64,
    pub(crate) changes: Vec<Change>,
    pub(crate) orders: BTreeMap<NodeId, Order>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) held_back: Vec<HeldBack>,
}

impl Draft {
    pub(crate) const fn new(state: &State) -> Self {
        Self {
            epoch: state.epoch,
            index: state.index,
            changes: Vec::new(),
            orders: BTreeMap::new(),
            reasons: Vec::new(),
            held_back: Vec::new(),
        }
    }

    /// Why something is done.
    pub(crate) fn because(&mut self, about: impl Display, because: impl Into<String>) {
        self.reasons.push(Reason {
            about: about.to_string(),
            because: because.into(),
        });
    }

    /// Why something is not done, and until when.
    pub(crate) fn hold(&mut self, what: impl Into<String>, waiting_for: impl Into<String>, until: Option<Moment>) {
        self.held_back.push(HeldBack {
            what: what.into(),
            waiting_for: waiting_for.into(),
            until,
        });
    }

    /// What a node shall be.
    pub(crate) fn order(&mut self, node: &NodeId, task: Task, because: impl Into<String>) {
        self.because(node, because);
        let order = Order {
            epoch: self.epoch,
            index: self.index,
            task,
        };
        self.orders.insert(node.clone(), order);
    }

    /// What shall be committed.
    pub(crate) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }
}
