//! What the two leaders do: plan, propose, commit, take turns.

use std::collections::{BTreeMap, BTreeSet};

use quorate_chaos::invariants::{Decision, Election, Opening, Planned, Row};
use quorate_model::{
    AgentReport, Cause, Change, Command, NodeId, Observations, Order, Phase, Plan, Progress, Reply, Seen, ServerState,
    State, Task, VoterView,
};
use quorate_planner::{audit, plan, switchover_precheck};

use super::{Sabotage, World};

impl World {
    /// The present leader plans and acts: one proposal at a time, orders put on their way.
    pub(crate) fn plan(&mut self) -> Plan {
        self.exchange_views();
        let leader = &self.leaders[self.leading];
        let mut plan = self.checked(&self.state, &leader.seen);
        if let Some(change) = self.sabotaged(&leader.seen) {
            plan.changes.insert(0, change);
        }
        if self.pending.is_none()
            && let Some(change) = plan.changes.first()
        {
            if matches!(change, Change::Elect { .. }) && self.sabotage.is_none() {
                self.trace.plans.push(Planned {
                    state: self.state.clone(),
                    seen: leader.seen.clone(),
                    now: self.now,
                    plan: plan.clone(),
                });
            }
            self.propose("planner", change.clone());
        }
        let orders = self.within_flight(&plan);
        self.send(self.leading, orders);
        if let Some((_, epoch)) = &plan.lease {
            self.leaders[self.leading].seen.last_grant = Some((*epoch, self.now));
        }
        plan
    }

    /// What a broken planner would propose instead.
    fn sabotaged(&self, seen: &Observations) -> Option<Change> {
        let epoch = self.state.epoch;
        match (self.sabotage?, self.state.phase) {
            (Sabotage::Hasty, Phase::Revoking) if !self.state.timeline.terms().is_empty() => {
                let revoked = |report: &&AgentReport| report.progress == Progress::Revoked { epoch };
                let first = seen.agents.values().map(|seen| &seen.value).find(revoked)?;
                let ServerState::Running { facts, .. } = &first.server else {
                    return None;
                };
                let rest = self.state.nodes.iter().filter(|(node, _)| **node != first.node);
                Some(Change::Elect {
                    epoch,
                    candidate: first.node.clone(),
                    required: facts.received.clone(),
                    ack_set: rest
                        .map(|(node, record)| (node.clone(), record.incarnation.clone()))
                        .collect(),
                    positions: BTreeMap::new(),
                    evidence: Vec::new(),
                })
            }
            (Sabotage::Careless, Phase::Open) if self.state.ack_set.len() > 1 => {
                let mut ack_set = self.state.ack_set.clone();
                ack_set.pop_last();
                Some(Change::AckSetChanged {
                    epoch,
                    ack_set,
                    evidence: Vec::new(),
                })
            }
            _ => None,
        }
    }

    /// As the supervisor does: until a change is applied, nobody is let in whom it shuts out.
    fn within_flight(&self, plan: &Plan) -> Vec<(NodeId, Order)> {
        let mut orders: Vec<(NodeId, Order)> = plan.orders.clone().into_iter().collect();
        if let Some(Change::AckSetChanged { ack_set: coming, .. }) =
            self.pending.as_ref().map(|command| &command.change)
        {
            for (_, order) in &mut orders {
                if let Task::Serve { ack_set, .. } | Task::Promote { ack_set, .. } = &mut order.task {
                    ack_set.retain(|node| coming.contains_key(node));
                }
            }
        }
        orders
    }

    /// The other one, which led before, still believes in itself: its orders go out, its proposals go nowhere.
    pub(crate) fn ghost(&mut self) {
        let leader = &self.leaders[1 - self.leading];
        let plan = self.checked(&leader.applied, &leader.seen);
        self.send(1 - self.leading, plan.orders.into_iter().collect());
    }

    fn send(&mut self, from: usize, orders: Vec<(NodeId, Order)>) {
        for (node, order) in orders {
            self.orders.entry((from, node)).or_default().push_back(order);
        }
    }

    /// Plans twice and audits.
    fn checked(&self, state: &State, seen: &Observations) -> Plan {
        let first = plan(state, seen, self.now);
        assert_eq!(first, plan(state, seen, self.now), "I20");
        let violations = audit(&first, state, seen, self.now);
        assert_eq!(violations, [], "{first:#?}");
        for held in &first.held_back {
            assert!(!held.what.is_empty() && !held.waiting_for.is_empty(), "{held:?}");
        }
        first
    }

    fn exchange_views(&mut self) {
        let views: Vec<VoterView> = self
            .leaders
            .iter()
            .map(|leader| VoterView {
                voter: leader.seen.observer.clone(),
                silence: leader
                    .seen
                    .agents
                    .iter()
                    .map(|(node, seen)| (node.clone(), self.now.since(seen.at)))
                    .collect(),
                disconnected: Vec::new(),
            })
            .collect();
        for (leader, view) in self.leaders.iter_mut().rev().zip(views) {
            let at = self.now;
            leader.seen.voters.insert(view.voter.clone(), Seen { at, value: view });
        }
    }

    /// The other one is elected. A proposal in flight may still be in the log, or not; the new leader commits an entry first.
    pub(crate) fn change_leader(&mut self, keeps: bool) {
        if keeps {
            self.commit();
        }
        self.pending = None;
        self.leaders[self.leading].applied = self.state.clone();
        self.leading = 1 - self.leading;
        let now = self.now;
        let seen = &mut self.leaders[self.leading].seen;
        (seen.leader_since, seen.phase_since, seen.last_grant) = (now, now, None);
        self.propose(
            "raft",
            Change::Noted {
                what: "leader".to_owned(),
                why: "elected".to_owned(),
            },
        );
        self.commit();
    }

    /// The proposal in flight commits; applied twice, as a log replayed from a snapshot may.
    pub(crate) fn commit(&mut self) {
        let Some(command) = self.pending.take() else {
            return;
        };
        let before = self.state.clone();
        self.index += 1;
        let reply = self.state.apply(self.index, &command);
        let again = self.state.clone().apply(self.index + 1, &command);
        if matches!(reply, Reply::Applied { .. }) {
            assert!(matches!(again, Reply::Repeated { .. }), "{again:?}");
            self.decided(&before, &command);
        }
        if (before.epoch, before.phase) != (self.state.epoch, self.state.phase) {
            for leader in &mut self.leaders {
                leader.seen.phase_since = self.now;
            }
        }
    }

    fn decided(&mut self, before: &State, command: &Command) {
        self.trace.decisions.push(Decision {
            index: self.index,
            by: command.by.clone(),
            paused: before.paused.is_some(),
            change: command.change.clone(),
        });
        let at = self.now;
        match &command.change {
            // A directory lost between a report and the election breaks no rule: the promotion asks for the position again.
            Change::Elect {
                epoch,
                candidate,
                required,
                ..
            } if !self.lossy => self.trace.elections.push(Election {
                epoch: *epoch,
                node: candidate.clone(),
                required_before: before.required.clone(),
                position: required.clone(),
                holds: self.rows(candidate),
                acknowledged: self.acknowledged.clone(),
            }),
            Change::Open { epoch, .. } => {
                if let Some(node) = self.state.primary.clone() {
                    self.trace.openings.push(Opening {
                        epoch: *epoch,
                        at,
                        row_acknowledged: true,
                        holds: self.rows(&node),
                        node,
                    });
                }
            }
            _ => {}
        }
        if self.state.phase >= Phase::Elected {
            let members = self.state.ack_set.keys().cloned().collect();
            self.trace.ack_sets.insert(self.state.epoch, members);
        }
    }

    fn rows(&self, node: &NodeId) -> BTreeSet<Row> {
        self.nodes[node]
            .held()
            .filter(|txn| txn.client)
            .map(|txn| txn.uid)
            .collect()
    }

    /// A person asks for a switchover, as far as the dry run allows it.
    pub(crate) fn switchover(&mut self, target: Option<NodeId>) {
        let seen = &self.leaders[self.leading].seen;
        if self.pending.is_none() && switchover_precheck(&self.state, seen, self.now, target.as_ref()).is_ok() {
            self.propose(
                "ann",
                Change::Begin {
                    epoch: self.state.epoch.next(),
                    cause: Cause::Switchover {
                        target,
                        why: "maintenance".to_owned(),
                    },
                    evidence: Vec::new(),
                },
            );
        }
    }

    pub(crate) fn pause(&mut self) {
        let why = "test".to_owned();
        let change = if self.state.paused.is_some() {
            Change::Resumed { why }
        } else {
            Change::Paused { why }
        };
        if self.pending.is_none() {
            self.propose("ann", change);
        }
    }
}
