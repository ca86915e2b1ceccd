//! What the project's invariants are checked over: the truth about the run, gathered as it happens.
//!
//! Filled are decisions, elections, openings, promises, writes, reads, boots, discards, plans, the ending, and the nodes at
//! the instants at which something could break. Left out, because the oracle watches them itself and more exactly: revocations
//! (an acknowledgement that was under way when its sender was revoked is harmless), leases (by the reads that they allow), acts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_model::{Change, Command, DoorState, Epoch, Moment, State};

use super::clock::Micros;
use super::oracle::Promise;
use super::world::World;
use crate::invariants::{self, Boot, Decision, Discard, Election, Ending, Node, Opening, Planned, Read, Write};

/// Plans kept; the invariants look at those that led to a proposal.
const PLANS_MAX: usize = 24;

const fn moment(at: Micros) -> Moment {
    Moment::from_micros(at)
}

impl World {
    /// A command took effect.
    pub(crate) fn record_decision(&mut self, before: &State, command: &Command) {
        let after = self.raft.agreed().clone();
        let truth = &mut self.truth;
        truth.decisions.push(Decision {
            index: after.index,
            by: command.by.clone(),
            paused: before.paused.is_some(),
            change: command.change.clone(),
        });
        if after.primary.is_some() {
            truth
                .ack_sets
                .insert(after.epoch, after.ack_set.keys().cloned().collect());
        }
        match &command.change {
            Change::Elect {
                candidate, required, ..
            } => self.truth.elections.push(Election {
                epoch: after.epoch,
                node: candidate.clone(),
                required_before: before.required.clone(),
                position: required.clone(),
                holds: self.oracle.history_of(after.epoch.0),
                acknowledged: self.oracle.promised.iter().map(|promise| promise.uid).collect(),
            }),
            Change::Open { epoch, barrier, .. } => self.record_opening(*epoch, barrier.seq),
            _ => {}
        }
        self.check_instant();
    }

    fn record_opening(&mut self, epoch: Epoch, barrier: u64) {
        let Some(id) = self.raft.agreed().primary.clone() else {
            return;
        };
        let Some(primary) = self.node_of(&id) else { return };
        let row = self.nodes[primary].disk.find(barrier).map(|txn| txn.uid);
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != primary);
        let row_acknowledged = others
            .into_iter()
            .any(|(_, node)| row.is_some() && node.disk.find(barrier).map(|txn| txn.uid) == row);
        self.truth.openings.push(Opening {
            epoch,
            node: id,
            at: moment(self.now),
            row_acknowledged,
            holds: self.nodes[primary].disk.binlog.iter().map(|txn| txn.uid).collect(),
        });
    }

    pub(crate) fn record_promise(&mut self, at: usize, promised: Epoch) {
        let id = self.nodes[at].id.clone();
        self.truth.promises.push((id, promised));
    }

    pub(crate) fn record_write(&mut self, at: usize, epoch: u64, promise: Promise) {
        let holders = self.nodes.iter().enumerate().filter(|(other, node)| {
            *other != at && node.disk.find(promise.seq).is_some_and(|txn| txn.uid == promise.uid)
        });
        let held_by = holders.map(|(_, node)| node.id.clone()).collect();
        self.truth.writes.push(Write {
            row: promise.uid,
            epoch: Epoch(epoch),
            node: self.nodes[at].id.clone(),
            at: moment(self.now),
            held_by,
            unprotected: false,
        });
    }

    pub(crate) fn record_read(&mut self, router: usize, epoch: u64, began: Micros) {
        let router = self.routers[router].id.clone();
        self.truth.reads.push(Read {
            router,
            epoch: Epoch(epoch),
            at: moment(began),
        });
    }

    pub(crate) fn record_boot(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(server) = &node.server else { return };
        self.truth.boots.push(Boot {
            node: node.id.clone(),
            read_only: server.read_only,
            replicating: server.applier || server.io != quorate_model::IoThread::No,
            armed: server.armed,
            door_closed: node.agent.door.state == DoorState::Closed,
        });
    }

    /// Relay logs are deleted: what was acknowledged among them, and who else holds it.
    pub(crate) fn record_discard(&mut self, at: usize) {
        let disk = &self.nodes[at].disk;
        let lost: BTreeMap<u64, u64> = disk.unapplied().map(|txn| (txn.seq, txn.uid)).collect();
        let rows: BTreeSet<u64> = self
            .oracle
            .promised
            .iter()
            .filter(|promise| {
                lost.get(&promise.seq) == Some(&promise.uid)
                    && disk.find(promise.seq).is_some_and(|txn| txn.uid == promise.uid)
            })
            .map(|promise| promise.uid)
            .collect();
        let state = self.raft.agreed();
        let primary = state.primary.as_ref().and_then(|id| self.node_of(id));
        let covered = primary.map_or_else(BTreeSet::new, |primary| {
            let theirs = lost.keys().filter_map(|seq| self.nodes[primary].disk.find(*seq));
            theirs.map(|txn| txn.uid).collect()
        });
        let node = self.nodes[at].id.clone();
        self.truth.discards.push(Discard { node, rows, covered });
    }

    /// The plan behind a proposal, with what it was made from.
    pub(crate) fn record_plan(&mut self, at: usize) {
        let host = &self.supervisors[at];
        let Some(machine) = &host.machine else { return };
        let Some(plan) = machine.plan().filter(|_| self.truth.plans.len() < PLANS_MAX) else {
            return;
        };
        self.truth.plans.push(Planned {
            state: (**machine.state()).clone(),
            seen: machine.observations().clone(),
            now: host.clock.local(self.now),
            plan: plan.clone(),
        });
    }

    /// What must hold at every instant, looked at when something changed.
    pub(crate) fn check_instant(&mut self) {
        self.truth.nodes = (0..self.nodes.len())
            .map(|at| (self.nodes[at].id.clone(), self.node_now(at)))
            .collect();
        if let Err(breach) = invariants::instant(&self.truth) {
            self.breach(breach.invariant, breach.what);
        }
    }

    fn node_now(&self, at: usize) -> Node {
        let node = &self.nodes[at];
        let server = node.server.as_ref().filter(|server| server.answering && !server.killed);
        let epoch = node.door_epoch();
        let leased = epoch.is_some_and(|epoch| self.door_serves(at, epoch));
        // A door that stands still, or whose lease is over, serves nobody, whatever it was last told.
        let door = match node.agent.door.state {
            DoorState::Open { epoch } if !leased || !self.agent_works(at) => DoorState::Replicas { epoch },
            state => state,
        };
        let fed = node.tunnels.iter().filter(|(replica, stream)| {
            let other = &self.nodes[**replica].stream;
            other.source == Some(at) && other.number == **stream
        });
        let fed = fed.map(|(replica, _)| self.nodes[*replica].id.clone());
        Node {
            promised: node.agent.durable.promised,
            primary: epoch.map(Epoch).filter(|_| server.is_some_and(|server| server.armed)),
            writable: server.is_some_and(|server| !server.read_only),
            semi_sync: server.is_none_or(|server| server.armed),
            ackers: fed
                .filter(|id| server.is_some() && node.agent.door.ackable.contains(id))
                .collect(),
            door,
            leased,
        }
    }

    /// The whole run, once it is over.
    pub(crate) fn check_history(&mut self) {
        let state = self.raft.agreed().clone();
        let calm = self.now.saturating_sub(self.healed.unwrap_or(self.now));
        self.truth.ending = Some(Ending {
            calm: Duration::from_micros(calm),
            bound: Duration::from_micros(calm),
            whole: true,
            phase: state.phase,
            restless: 0,
            held_back: Vec::new(),
        });
        self.truth.agreed = (*state).clone();
        self.check_instant();
        if let Err(breach) = invariants::history(&self.truth) {
            self.breach(breach.invariant, breach.what);
        }
    }
}
