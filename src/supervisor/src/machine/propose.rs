//! One proposal at a time.
//!
//! A proposal is never given up while this leader's term lasts: it may be in the log, and a later one planned without it could
//! contradict it (a removal from the ack set that still commits after the replica was let back in). So it ends only when
//! Raft says how it ended, when its key shows up in the journal, or with the term.

use std::time::Duration;

use quorate_model::{Change, Command, Moment, OperationId, Reply, UnixMillis};

use super::{Asked, Denied, Done, Effect, Machine, ProposalOutcome};

/// In whose name the planner's own changes are committed.
const PLANNER: &str = "planner";
/// After a refusal the next proposal waits this long, lest a misunderstanding fill the log.
const COOL_DOWN: Duration = Duration::from_millis(200);
/// How far back in the journal a proposal's own entry is looked for.
const JOURNAL_LOOK: usize = 16;

/// The proposal under way.
#[derive(Debug)]
pub(super) struct InFlight {
    key: OperationId,
    change: Change,
    asked: Option<Asked>,
    /// The log index that the state must reach before the next proposal is planned.
    applied_at: Option<u64>,
}

impl Machine {
    /// Proposes the first of the planner's changes, unless an operator's request or another proposal comes first.
    pub(super) fn propose_next(&mut self, now: Moment, changes: &[Change], effects: &mut Vec<Effect>) {
        if self.in_flight.is_some() || now < self.cooling {
            return;
        }
        if self.state.spec.as_ref() != Some(&self.settings.spec) && self.may_declare() {
            let spec = self.settings.spec.clone();
            self.propose(now, PLANNER, Change::PolicyChanged { spec }, None, effects);
            return;
        }
        // Failover outranks everything that an operator may have asked for meanwhile.
        let urgent = changes.first().filter(|change| matches!(change, Change::Begin { .. }));
        if urgent.is_none() && self.propose_waiting(now, effects) {
            return;
        }
        if let Some(change) = changes.first().filter(|change| self.is_due(change)) {
            self.propose(now, PLANNER, change.clone(), None, effects);
        }
    }

    /// Nobody leaves the ack set while an order that lets it in may still be on its way.
    fn is_due(&self, change: &Change) -> bool {
        match change {
            Change::AckSetChanged { ack_set, .. } => {
                let shrinks = self.state.ack_set.keys().any(|node| !ack_set.contains_key(node));
                !shrinks || self.cut_is_taken(ack_set)
            }
            _ => true,
        }
    }

    /// A declaration that drops a node on which acknowledged writes rest is not taken over.
    fn may_declare(&self) -> bool {
        let nodes = &self.settings.spec.nodes;
        self.state
            .ack_set
            .keys()
            .chain(&self.state.primary)
            .chain(&self.state.deposed)
            .all(|node| nodes.contains_key(node))
    }

    pub(super) fn propose(
        &mut self,
        now: Moment,
        by: &str,
        change: Change,
        asked: Option<Asked>,
        effects: &mut Vec<Effect>,
    ) {
        self.proposals += 1;
        let key = OperationId::new(format!(
            "{}-{:x}-{}",
            self.settings.me, self.settings.nonce, self.proposals
        ));
        let (read, unix) = self.wall;
        let at = UnixMillis(unix.0.saturating_add(millis(now.since(read))));
        self.in_flight = Some(InFlight {
            key: key.clone(),
            change: change.clone(),
            asked,
            applied_at: None,
        });
        effects.push(Effect::Propose(Command {
            key,
            at,
            by: by.to_owned(),
            change,
        }));
    }

    pub(super) fn proposal_done(
        &mut self,
        now: Moment,
        key: &OperationId,
        outcome: ProposalOutcome,
        effects: &mut Vec<Effect>,
    ) {
        if self.in_flight.as_ref().is_none_or(|flight| flight.key != *key) {
            return;
        }
        match outcome {
            ProposalOutcome::Replied(Reply::Applied { index } | Reply::Repeated { index }) => {
                if let Some(flight) = &mut self.in_flight {
                    flight.applied_at = Some(index);
                }
                self.settle(effects);
            }
            ProposalOutcome::Replied(Reply::Refused { why }) => {
                self.end(now, Denied::Refused { why: why.to_string() }, effects);
            }
            ProposalOutcome::NotProposed(why) => self.end(now, Denied::NotCommitted { why }, effects),
            // Settled by the next term, or by the journal.
            ProposalOutcome::Unknown(_) => return,
        }
        self.decide(now, effects);
    }

    fn end(&mut self, now: Moment, denied: Denied, effects: &mut Vec<Effect>) {
        self.cooling = now.after(COOL_DOWN);
        if let Some(asked) = self.in_flight.take().and_then(|flight| flight.asked) {
            effects.push(Effect::Answer {
                request: asked.id,
                answer: Err(denied),
            });
        }
    }

    /// Ends the proposal once the agreed state holds it.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        let Some(flight) = &self.in_flight else { return };
        let journal = self.state.journal.iter().rev().take(JOURNAL_LOOK);
        let entry = journal.into_iter().find(|entry| entry.key == flight.key);
        let done = entry.is_some() || flight.applied_at.is_some_and(|index| self.state.index >= index);
        if !done {
            return;
        }
        let index = entry
            .map(|entry| entry.index)
            .or(flight.applied_at)
            .unwrap_or(self.state.index);
        let Some(InFlight {
            key,
            asked: Some(asked),
            ..
        }) = self.in_flight.take()
        else {
            return;
        };
        let done = Done::Committed {
            operation: key,
            epoch: self.state.epoch,
            index,
        };
        effects.push(Effect::Answer {
            request: asked.id,
            answer: Ok(done),
        });
    }

    /// The term is over: what was in flight is settled by the log, not by memory.
    pub(super) fn forget_proposals(&mut self, effects: &mut Vec<Effect>) {
        let flying = self.in_flight.take().and_then(|flight| flight.asked);
        if let Some(asked) = flying {
            effects.push(Effect::Answer {
                request: asked.id,
                answer: Err(Denied::LeadershipLost),
            });
        }
        let waiting = self.waiting.drain(..);
        effects.extend(waiting.map(|asked| Effect::Answer {
            request: asked.id,
            answer: Err(Denied::NotLeader),
        }));
    }

    /// Whether such a change is under way.
    pub(super) fn is_proposing(&self, which: impl Fn(&Change) -> bool) -> bool {
        self.in_flight.as_ref().is_some_and(|flight| which(&flight.change))
    }

    /// The change under way.
    pub(super) fn proposing(&self) -> Option<&Change> {
        self.in_flight.as_ref().map(|flight| &flight.change)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
