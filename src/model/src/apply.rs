//! The replicated state machine: deterministic, total, and deaf to stale commands.

use std::collections::BTreeMap;

use crate::state::{EpochRecord, JournalEntry, NodeRecord, Operation, Pause};
use crate::{
    Cause, Change, Command, Epoch, Evidence, Gtid, GtidSet, HISTORY_MAX, Incarnation, JOURNAL_MAX, NodeId, Phase,
    Refusal, Reply, State, Term,
};

/// Evidence kept per epoch; more would be noise and is cut, oldest kept.
const EVIDENCE_MAX: usize = 64;

impl State {
    /// Applies a committed command. A command of another epoch or phase changes nothing and says so, which is what makes
    /// two leaders that both believe in themselves harmless (invariants I1, I16).
    pub fn apply(&mut self, index: u64, command: &Command) -> Reply {
        self.index = index;
        if let Some(first) = self.journal.iter().rev().find(|entry| entry.key == command.key) {
            return Reply::Repeated { index: first.index };
        }
        match self.change(index, command) {
            Ok((kind, what)) => {
                self.journal.push_back(JournalEntry {
                    index,
                    at: command.at,
                    by: command.by.clone(),
                    key: command.key.clone(),
                    epoch: self.epoch,
                    kind: kind.to_owned(),
                    what,
                });
                while self.journal.len() > JOURNAL_MAX {
                    self.journal.pop_front();
                }
                Reply::Applied { index }
            }
            Err(why) => Reply::Refused { why },
        }
    }

    fn change(&mut self, index: u64, command: &Command) -> Result<(&'static str, String), Refusal> {
        match &command.change {
            Change::PolicyChanged { spec } => {
                if self.spec.as_ref() == Some(spec) {
                    return Err(Refusal::NoChange);
                }
                self.spec = Some(spec.clone());
                Ok(("policy_changed", format!("{} nodes declared", spec.nodes.len())))
            }
            Change::NodeRegistered {
                node,
                incarnation,
                server_id,
            } => self.register(node, incarnation, *server_id),
            Change::Begin { epoch, cause, evidence } => self.begin(command, *epoch, cause, evidence),
            Change::Elect {
                epoch,
                candidate,
                required,
                ack_set,
                positions,
                evidence,
            } => {
                self.require(*epoch, Phase::Revoking)?;
                self.elect(candidate, required, ack_set)?;
                let record = self.record();
                record.primary = Some(candidate.clone());
                record.token = Some(index);
                record.required = required.clone();
                record.positions = positions.clone();
                record.elected_at = Some(command.at);
                note(record, evidence);
                Ok(("elect", format!("{candidate} elected at {required}")))
            }
            Change::Open {
                epoch,
                barrier,
                evidence,
            } => {
                self.require(*epoch, Phase::Elected)?;
                self.open(*barrier)?;
                let record = self.record();
                record.opened_at = Some(command.at);
                note(record, evidence);
                Ok(("open", format!("epoch {epoch} open, first transaction {barrier}")))
            }
            Change::AckSetChanged { epoch, ack_set, .. } => self.change_ack_set(*epoch, ack_set),
            Change::RouterAdmitted { .. }
            | Change::RouterRemoved { .. }
            | Change::Paused { .. }
            | Change::Resumed { .. }
            | Change::Noted { .. } => self.administer(command),
        }
    }

    /// The changes that no epoch depends on.
    fn administer(&mut self, command: &Command) -> Result<(&'static str, String), Refusal> {
        match &command.change {
            Change::RouterAdmitted { router } => {
                if !self.routers.insert(router.clone()) {
                    return Err(Refusal::NoChange);
                }
                Ok(("router_admitted", format!("router {router} admitted")))
            }
            Change::RouterRemoved { router } => {
                if !self.routers.remove(router) {
                    return Err(Refusal::NoChange);
                }
                Ok(("router_removed", format!("router {router} forgotten")))
            }
            Change::Paused { why } => {
                self.paused = Some(Pause {
                    by: command.by.clone(),
                    why: why.clone(),
                    at: command.at,
                });
                Ok(("paused", format!("paused: {why}")))
            }
            Change::Resumed { why } => {
                if self.paused.take().is_none() {
                    return Err(Refusal::NoChange);
                }
                Ok(("resumed", format!("resumed: {why}")))
            }
            Change::Noted { what, why } => Ok(("noted", format!("{what}: {why}"))),
            Change::PolicyChanged { .. }
            | Change::NodeRegistered { .. }
            | Change::Begin { .. }
            | Change::Elect { .. }
            | Change::Open { .. }
            | Change::AckSetChanged { .. } => Err(Refusal::NoChange),
        }
    }

    fn require(&self, epoch: Epoch, phase: Phase) -> Result<(), Refusal> {
        if epoch != self.epoch {
            return Err(Refusal::StaleEpoch { current: self.epoch });
        }
        if phase != self.phase {
            return Err(Refusal::WrongPhase {
                why: format!("epoch {} is {:?}, not {phase:?}", self.epoch, self.phase),
            });
        }
        Ok(())
    }

    fn register(
        &mut self,
        node: &NodeId,
        incarnation: &Incarnation,
        server_id: u32,
    ) -> Result<(&'static str, String), Refusal> {
        if !self.spec.as_ref().is_some_and(|spec| spec.nodes.contains_key(node)) {
            return Err(Refusal::UnknownNode { node: node.clone() });
        }
        let record = NodeRecord {
            incarnation: incarnation.clone(),
            server_id,
        };
        if self.nodes.get(node) == Some(&record) {
            return Err(Refusal::NoChange);
        }
        self.nodes.insert(node.clone(), record);
        Ok(("node_registered", format!("{node} has data directory {incarnation}")))
    }

    fn begin(
        &mut self,
        command: &Command,
        epoch: Epoch,
        cause: &Cause,
        evidence: &[Evidence],
    ) -> Result<(&'static str, String), Refusal> {
        if epoch != self.epoch.next() {
            return Err(Refusal::StaleEpoch { current: self.epoch });
        }
        if self.phase == Phase::Revoking {
            return Err(Refusal::WrongPhase {
                why: format!("epoch {} is being decided already", self.epoch),
            });
        }
        self.epoch = epoch;
        self.phase = Phase::Revoking;
        // A candidate that never opened is no client's old primary: the one before it still is.
        if let Some(primary) = self.primary.take()
            && (self.deposed.is_none() || *cause != Cause::CandidateLost)
        {
            self.deposed = Some(primary);
        }
        self.operation = Some(Operation {
            id: command.key.clone(),
            cause: cause.clone(),
            by: command.by.clone(),
        });
        let mut record = EpochRecord {
            epoch,
            cause: cause.clone(),
            by: command.by.clone(),
            deposed: self.deposed.clone(),
            primary: None,
            token: None,
            required: GtidSet::new(),
            positions: BTreeMap::new(),
            began_at: command.at,
            elected_at: None,
            opened_at: None,
            evidence: Vec::new(),
        };
        note(&mut record, evidence);
        self.history.push_back(record);
        while self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        Ok(("begin", format!("epoch {epoch} begins: {cause}")))
    }

    fn elect(
        &mut self,
        candidate: &NodeId,
        required: &GtidSet,
        ack_set: &BTreeMap<NodeId, Incarnation>,
    ) -> Result<(), Refusal> {
        let Some(record) = self.nodes.get(candidate) else {
            return Err(Refusal::UnknownNode {
                node: candidate.clone(),
            });
        };
        let server_id = record.server_id;
        let last = required.iter().map(|gtid| gtid.seq).max().unwrap_or_default();
        self.timeline.close(last);
        self.timeline.start(Term {
            epoch: self.epoch,
            node: candidate.clone(),
            server_id,
            first: last.saturating_add(1),
            last: None,
        });
        self.phase = Phase::Elected;
        self.primary = Some(candidate.clone());
        self.required = required.clone();
        self.ack_set = ack_set.clone();
        Ok(())
    }

    fn open(&mut self, barrier: Gtid) -> Result<(), Refusal> {
        let server_id = self.timeline.terms().last().map(|term| term.server_id);
        if server_id != Some(barrier.server) {
            return Err(Refusal::WrongPhase {
                why: format!("epoch row {barrier} was not written by the elected primary"),
            });
        }
        // Whoever leads on in place has commits of the old epoch before its epoch row; anyone else begins with that row.
        let leads_on = self.deposed.is_some() && self.deposed == self.primary;
        if !leads_on {
            self.timeline.begin_at(barrier.seq);
        }
        self.phase = Phase::Open;
        self.deposed = None;
        Ok(())
    }

    fn change_ack_set(
        &mut self,
        epoch: Epoch,
        ack_set: &BTreeMap<NodeId, Incarnation>,
    ) -> Result<(&'static str, String), Refusal> {
        if epoch != self.epoch {
            return Err(Refusal::StaleEpoch { current: self.epoch });
        }
        if self.phase < Phase::Elected {
            return Err(Refusal::WrongPhase {
                why: format!("epoch {epoch} is being revoked: its ack set may not change"),
            });
        }
        if self.ack_set == *ack_set {
            return Err(Refusal::NoChange);
        }
        // One node at a time: a command that was computed from an older set differs from the present one in more, and
        // would take out a node that may acknowledge by now (I3).
        let touched = |a: &BTreeMap<NodeId, Incarnation>, b: &BTreeMap<NodeId, Incarnation>| {
            a.iter()
                .filter(|(node, incarnation)| b.get(*node) != Some(*incarnation))
                .map(|(node, _)| node.clone())
                .collect::<std::collections::BTreeSet<NodeId>>()
        };
        let differ: std::collections::BTreeSet<NodeId> = touched(&self.ack_set, ack_set)
            .union(&touched(ack_set, &self.ack_set))
            .cloned()
            .collect();
        if differ.len() > 1 {
            return Err(Refusal::WrongPhase {
                why: "it was computed from another ack set than the agreed one".to_owned(),
            });
        }
        self.ack_set = ack_set.clone();
        let names: Vec<&str> = ack_set.keys().map(NodeId::as_str).collect();
        Ok(("ack_set_changed", format!("ack set is now {{{}}}", names.join(", "))))
    }

    fn record(&mut self) -> &mut EpochRecord {
        if self.history.is_empty() {
            self.history.push_back(EpochRecord {
                epoch: self.epoch,
                cause: Cause::Bootstrap,
                by: String::new(),
                deposed: None,
                primary: None,
                token: None,
                required: GtidSet::new(),
                positions: BTreeMap::new(),
                began_at: crate::UnixMillis(0),
                elected_at: None,
                opened_at: None,
                evidence: Vec::new(),
            });
        }
        let last = self.history.len().saturating_sub(1);
        &mut self.history[last]
    }
}

fn note(record: &mut EpochRecord, evidence: &[Evidence]) {
    let room = EVIDENCE_MAX.saturating_sub(record.evidence.len());
    record.evidence.extend(evidence.iter().take(room).cloned());
}
