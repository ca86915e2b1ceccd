//! What operators ask for.

use std::time::Duration;

use quorate_model::{Cause, Change, Epoch, Evidence, Moment, NodeId, OperationId, Phase, ServerState};
use quorate_planner::switchover_precheck;

use super::{Effect, Machine};

/// Requests that may wait for the proposal before them.
const WAITING_MAX: usize = 16;

/// Number of a request, chosen by the shell.
pub type RequestId = u64;

/// A request and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Echoed in the answer.
    pub id: RequestId,
    /// The authenticated name of the operator.
    pub by: String,
    /// What.
    pub request: Request,
}

/// What an operator may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Hand the primary role over.
    Switchover {
        /// To whom; none means the best.
        to: Option<NodeId>,
        /// Why.
        why: String,
        /// Only if this is still the epoch.
        epoch: Option<Epoch>,
        /// Only say what would happen.
        dry_run: bool,
    },
    /// No automatic action from now on.
    Pause {
        /// Why.
        why: String,
    },
    /// Automatic action again.
    Resume {
        /// Why.
        why: String,
    },
    /// An audit entry for something that is done outside the agreed state.
    Note {
        /// What was done.
        what: String,
        /// Why.
        why: String,
    },
}

/// A request was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It is committed.
    Committed {
        /// The key under which the journal has it.
        operation: OperationId,
        /// The epoch after it.
        epoch: Epoch,
        /// Its log index.
        index: u64,
    },
    /// A dry run: nothing was changed.
    Preview(SwitchoverPreview),
}

/// What a switchover would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchoverPreview {
    /// The present epoch.
    pub epoch: Epoch,
    /// Who leads.
    pub from: NodeId,
    /// Who would.
    pub to: NodeId,
    /// Transactions that the successor has not applied yet.
    pub backlog: u64,
    /// Longest freeze of commits; after it the switchover is aborted.
    pub freeze_limit: Duration,
}

/// A request was not carried out, and nothing was changed (except for [`Denied::LeadershipLost`], where it is not known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Ask the leader.
    NotLeader,
    /// This leader has no quorum's word.
    NoQuorum,
    /// Leadership ended while it was under way: look at the events whether it was committed.
    LeadershipLost,
    /// Automatic action is paused.
    Paused {
        /// By whom.
        by: String,
        /// Why.
        why: String,
    },
    /// The epoch is not open.
    NotOpen {
        /// What it is.
        phase: Phase,
    },
    /// The epoch moved on.
    StaleEpoch {
        /// The present one.
        current: Epoch,
    },
    /// No such node is declared.
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// Nobody, or not the one asked for, can take over now.
    Unfit {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The state machine refused it.
    Refused {
        /// Why.
        why: String,
    },
    /// Raft did not take it.
    NotCommitted {
        /// Why.
        why: String,
    },
    /// Too many requests wait.
    Busy,
    /// The audit found a defect in the plan; nothing is done until it is gone.
    Defect,
}

impl Machine {
    pub(super) fn request(&mut self, now: Moment, asked: Asked, effects: &mut Vec<Effect>) {
        let deny = if self.leading.is_none() {
            Some(Denied::NotLeader)
        } else if !self.may_act(now) {
            Some(Denied::NoQuorum)
        } else if self.waiting.len() >= WAITING_MAX {
            Some(Denied::Busy)
        } else {
            None
        };
        if let Some(denied) = deny {
            effects.push(Effect::Answer {
                request: asked.id,
                answer: Err(denied),
            });
            return;
        }
        if let Request::Switchover {
            to,
            epoch,
            dry_run: true,
            ..
        } = &asked.request
        {
            let answer = self.preview(now, to.as_ref(), *epoch).map(Done::Preview);
            effects.push(Effect::Answer {
                request: asked.id,
                answer,
            });
            return;
        }
        self.waiting.push_back(asked);
        self.decide(now, effects);
        // A defective plan stops the planner, not the operator who wants to pause it.
        if !self.violations.is_empty() && self.in_flight.is_none() {
            self.propose_waiting(now, effects);
        }
    }

    /// Proposes what was asked for first and is possible now; answers what is not. Says whether something was proposed.
    pub(super) fn propose_waiting(&mut self, now: Moment, effects: &mut Vec<Effect>) -> bool {
        while let Some(asked) = self.waiting.pop_front() {
            match self.change_for(now, &asked) {
                Ok(change) => {
                    let by = asked.by.clone();
                    self.propose(now, &by, change, Some(asked), effects);
                    return true;
                }
                Err(denied) => effects.push(Effect::Answer {
                    request: asked.id,
                    answer: Err(denied),
                }),
            }
        }
        false
    }

    fn change_for(&self, now: Moment, asked: &Asked) -> Result<Change, Denied> {
        Ok(match &asked.request {
            Request::Pause { why } => Change::Paused { why: why.clone() },
            Request::Resume { why } => Change::Resumed { why: why.clone() },
            Request::Note { what, why } => Change::Noted {
                what: what.clone(),
                why: why.clone(),
            },
            Request::Switchover { to, why, epoch, .. } => {
                if !self.violations.is_empty() {
                    return Err(Denied::Defect);
                }
                let preview = self.preview(now, to.as_ref(), *epoch)?;
                let fact = format!(
                    "switchover from {} asked for; {} is fit to take over",
                    preview.from, preview.to
                );
                Change::Begin {
                    epoch: self.state.epoch.next(),
                    cause: Cause::Switchover {
                        target: to.clone(),
                        why: why.clone(),
                    },
                    evidence: vec![Evidence::new(&asked.by, fact)],
                }
            }
        })
    }

    /// What a switchover would do now, or why it cannot.
    fn preview(&self, now: Moment, to: Option<&NodeId>, epoch: Option<Epoch>) -> Result<SwitchoverPreview, Denied> {
        if epoch.is_some_and(|epoch| epoch != self.state.epoch) {
            return Err(Denied::StaleEpoch {
                current: self.state.epoch,
            });
        }
        if let Some(pause) = &self.state.paused {
            return Err(Denied::Paused {
                by: pause.by.clone(),
                why: pause.why.clone(),
            });
        }
        if let Some(node) = to.filter(|node| {
            self.state
                .spec
                .as_ref()
                .is_none_or(|spec| !spec.nodes.contains_key(node))
        }) {
            return Err(Denied::UnknownNode { node: node.clone() });
        }
        let (Phase::Open, Some(from)) = (self.state.phase, &self.state.primary) else {
            return Err(Denied::NotOpen {
                phase: self.state.phase,
            });
        };
        let to = switchover_precheck(&self.state, &self.seen, now, to).map_err(|refused| Denied::Unfit {
            why: refused.why,
            hint: refused.hint,
        })?;
        Ok(SwitchoverPreview {
            epoch: self.state.epoch,
            from: from.clone(),
            backlog: self.backlog(&to),
            to,
            freeze_limit: self.policy().freeze_limit,
        })
    }

    fn backlog(&self, node: &NodeId) -> u64 {
        match self.seen.report(node).map(|report| &report.server) {
            Some(ServerState::Running { facts, .. }) => facts.applied.missing(&facts.received),
            _ => 0,
        }
    }
}
