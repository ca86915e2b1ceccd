//! What must hold: the invariants, checked where they could be broken, and what clients were promised.

use std::collections::{BTreeMap, BTreeSet};

use quorate_agent::machine::Step;
use quorate_model::{DoorState, Epoch, NodeId, Phase, State};

use super::agents::step_epoch;
use super::clock::Micros;
use super::world::World;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which, for example `I5`.
    pub invariant: &'static str,
    /// What happened.
    pub what: String,
    /// When, in microseconds of the run.
    pub at: u64,
}

/// What is known of the truth.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) breach: Option<Breach>,
    /// Every write that a client was told is done.
    pub(crate) promised: Vec<Promise>,
    /// The first such write of each epoch.
    first: BTreeMap<u64, Micros>,
    /// The history that each elected primary started from.
    elected: BTreeMap<u64, BTreeMap<u64, u64>>,
}

/// A write that a client was told is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) at: Micros,
    pub(crate) seq: u64,
    pub(crate) uid: u64,
}

impl Oracle {
    /// The transactions that the primary of an epoch started from.
    pub(crate) fn history_of(&self, epoch: u64) -> BTreeSet<u64> {
        self.elected
            .get(&epoch)
            .into_iter()
            .flat_map(BTreeMap::values)
            .copied()
            .collect()
    }
}

impl World {
    /// Remembers the first breach; the run ends with it.
    pub(crate) fn breach(&mut self, invariant: &'static str, what: String) {
        self.trace.say(self.now, || format!("BREACH of {invariant}: {what}"));
        if self.oracle.breach.is_none() {
            let at = self.now;
            self.oracle.breach = Some(Breach { invariant, what, at });
        }
    }

    fn holds(&self, at: usize, seq: u64, uid: u64) -> bool {
        self.nodes[at].disk.find(seq).is_some_and(|txn| txn.uid == uid)
    }

    /// I4, I5: the elected node holds everything that was promised.
    pub(crate) fn judge_election(&mut self, before: &State, candidate: &NodeId) {
        let required = self.raft.agreed().required.seq(0).unwrap_or(0);
        let Some(elected) = self.node_of(candidate) else { return };
        // It may have been restarted since it was judged, and lost its last rows; another one then knows them.
        let Some(source) = (0..self.nodes.len())
            .filter(|at| self.nodes[*at].disk.received() >= required)
            .min_by_key(|at| *at != elected)
        else {
            return;
        };
        let held = self.nodes[source]
            .disk
            .everything()
            .take_while(|txn| txn.seq <= required);
        let history: BTreeMap<u64, u64> = held.map(|txn| (txn.seq, txn.uid)).collect();
        let lost = self
            .oracle
            .promised
            .iter()
            .find(|promise| history.get(&promise.seq) != Some(&promise.uid));
        if let Some(lost) = lost.copied() {
            self.breach(
                "I4",
                format!(
                    "{candidate} is elected at {required} without the acknowledged write {}",
                    lost.seq
                ),
            );
        }
        let epoch = before.epoch.0;
        self.oracle.elected.insert(epoch, history);
    }

    /// I5: what was promised is there before the next epoch opens.
    pub(crate) fn judge_opening(&mut self) {
        let state = self.raft.agreed().clone();
        let Some(primary) = state.primary.as_ref().and_then(|id| self.node_of(id)) else {
            return;
        };
        let lost = self
            .oracle
            .promised
            .iter()
            .find(|promise| !self.holds(primary, promise.seq, promise.uid));
        if let Some(lost) = lost.copied() {
            self.breach(
                "I5",
                format!(
                    "epoch {} opens on m{} without the acknowledged write {}",
                    state.epoch,
                    primary + 1,
                    lost.seq
                ),
            );
        }
    }

    /// I3, I7, I8, when an acknowledgement passes a door.
    pub(crate) fn judge_ack(&mut self, primary: usize, replica: usize, seq: u64) {
        let Some(epoch) = self.nodes[primary].door_epoch() else {
            return;
        };
        let state = self.raft.agreed().clone();
        let deciding = state.epoch.0 == epoch || (state.epoch.0 == epoch + 1 && state.phase == Phase::Revoking);
        if deciding && !state.ack_set.contains_key(&self.nodes[replica].id) {
            self.breach(
                "I3",
                format!(
                    "m{} acknowledges m{} outside the ack set of epoch {epoch}",
                    replica + 1,
                    primary + 1
                ),
            );
        }
        let disk = &self.nodes[primary].disk;
        let fresh = disk.binlog.iter().skip(disk.committed).take_while(|txn| txn.seq <= seq);
        let later = self.oracle.elected.range(epoch + 1..).next();
        if let Some((next, history)) = later {
            let lost = fresh
                .into_iter()
                .find(|txn| history.get(&txn.seq) != Some(&txn.uid))
                .map(|txn| txn.seq);
            if let Some(lost) = lost {
                let what = format!(
                    "m{} has {lost} acknowledged under epoch {epoch}, which epoch {next} lacks",
                    primary + 1
                );
                self.breach("I7", what);
            }
        }
        self.judge_writers();
    }

    /// I8: at most one node can acknowledge clients.
    pub(crate) fn judge_writers(&mut self) {
        let able: Vec<usize> = (0..self.nodes.len()).filter(|at| self.can_acknowledge(*at)).collect();
        if able.len() > 1 {
            self.breach(
                "I8",
                format!("m{} and m{} can both acknowledge writes", able[0] + 1, able[1] + 1),
            );
        }
    }

    fn can_acknowledge(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        let Some(server) = node.server.as_ref().filter(|server| server.answering && !server.killed) else {
            return false;
        };
        let fed = |replica: &usize, stream: &u64| {
            let other = &self.nodes[*replica].stream;
            other.source == Some(at)
                && other.number == *stream
                && node.agent.door.ackable.contains(&self.nodes[*replica].id)
        };
        let acker = node.tunnels.iter().any(|(replica, stream)| fed(replica, stream));
        !server.read_only && (acker || !server.armed)
    }

    /// A client was told that its write is done: I5, I6.
    pub(crate) fn judge_promise(&mut self, node: usize, epoch: u64, seq: u64, uid: u64) {
        let at = self.now;
        let promise = Promise { at, seq, uid };
        self.oracle.promised.push(promise);
        self.record_write(node, epoch, promise);
        self.oracle.first.entry(epoch).or_insert(at);
        let copies = (0..self.nodes.len())
            .filter(|other| *other != node && self.holds(*other, seq, uid))
            .count();
        if copies == 0 {
            self.breach(
                "I6",
                format!("m{} confirms write {seq}, which no other node holds", node + 1),
            );
        }
        let missing = self
            .oracle
            .elected
            .range(epoch + 1..)
            .find(|(_, history)| history.get(&seq) != Some(&uid));
        if let Some((next, _)) = missing {
            let what = format!("write {seq} is confirmed under epoch {epoch}, and epoch {next} started without it");
            self.breach("I5", what);
        }
    }

    /// I9: no routed read misses what was confirmed before it began.
    pub(crate) fn judge_read(&mut self, node: usize, epoch: u64, began: Micros, seq: u64) {
        let newer = self
            .oracle
            .first
            .range(epoch + 1..)
            .find(|(_, first)| **first < began)
            .map(|(next, _)| *next);
        if let Some(next) = newer {
            let what = format!(
                "a read on m{} under epoch {epoch} began after a write of epoch {next} was confirmed",
                node + 1
            );
            self.breach("I9", what);
        }
        let before = self.oracle.promised.partition_point(|promise| promise.at < began);
        let known = self.oracle.promised[..before]
            .iter()
            .rev()
            .take(64)
            .map(|promise| promise.seq)
            .max();
        if known.is_some_and(|known| known > seq) {
            self.breach(
                "I9",
                format!("a read on m{} saw {seq} after {known:?} was confirmed", node + 1),
            );
        }
    }

    /// I15: a server serves only after its epoch row was acknowledged in this run of it.
    pub(crate) fn judge_service(&mut self, at: usize, epoch: u64) {
        if self.nodes[at]
            .server
            .as_ref()
            .is_some_and(|server| server.epoch_row == 0)
        {
            self.breach(
                "I15",
                format!("m{} serves epoch {epoch} without an acknowledged epoch row", at + 1),
            );
        }
    }

    /// I2, I16: the promise is on disk before anything is done, and nothing older is done after it.
    pub(crate) fn judge_step(&mut self, at: usize, step: &Step) {
        let promised = self.nodes[at].agent.durable.promised;
        if let Some(epoch) = step_epoch(step).filter(|epoch| Epoch(*epoch) != promised) {
            let what = format!(
                "m{} works for epoch {epoch} with a promise of epoch {promised} on disk",
                at + 1
            );
            self.breach("I2", what);
        }
    }

    /// I11: a door lets replicas or clients in only once the server waits for acknowledgements.
    pub(crate) fn judge_door(&mut self, at: usize) {
        let node = &self.nodes[at];
        let primary = matches!(
            node.agent.door.state,
            DoorState::Open { .. } | DoorState::Replicas { .. }
        );
        let unarmed = node
            .server
            .as_ref()
            .is_some_and(|server| !server.armed && !server.killed);
        if primary && unarmed {
            self.breach(
                "I11",
                format!(
                    "the door of m{} opens before its server waits for acknowledgements",
                    at + 1
                ),
            );
        }
    }

    /// I11: a server starts behind a closed door.
    pub(crate) fn judge_boot(&mut self, at: usize) {
        self.record_boot(at);
        if self.nodes[at].agent.door.state != DoorState::Closed {
            self.breach("I11", format!("m{} starts with an open door", at + 1));
        }
    }

    /// I14: who takes the role holds what was agreed.
    pub(crate) fn judge_arming(&mut self, at: usize) {
        let state = self.raft.agreed().clone();
        let required = state.required.seq(0).unwrap_or(0);
        let end = self.nodes[at].disk.end();
        let elected = state.primary.as_ref() == Some(&self.nodes[at].id);
        if elected && end < required {
            self.breach(
                "I14",
                format!("m{} takes the role at {end}, below the agreed {required}", at + 1),
            );
        }
    }

    /// I12: nothing received and not applied is thrown away unless the primary has it.
    pub(crate) fn judge_discard(&mut self, at: usize) {
        let (end, received) = (self.nodes[at].disk.end(), self.nodes[at].disk.received());
        if received == end {
            return;
        }
        self.record_discard(at);
        let state = self.raft.agreed().clone();
        let primary = state.primary.as_ref().and_then(|id| self.node_of(id));
        let lost = self.nodes[at].disk.unapplied().find(|txn| {
            primary
                .is_none_or(|primary| self.nodes[primary].disk.find(txn.seq).map(|theirs| theirs.uid) != Some(txn.uid))
        });
        let lost = lost.map(|txn| txn.seq);
        if let Some(lost) = lost {
            self.breach(
                "I12",
                format!("m{} throws {lost} away, received and not applied", at + 1),
            );
        }
    }

    /// I9: a router confirms an epoch only without connections of an older one.
    pub(crate) fn judge_confirmation(&mut self, router: usize, confirmed: Epoch) {
        if self.has_sessions_below(router, confirmed.0) {
            self.breach(
                "I9",
                format!("r{} confirms epoch {confirmed} with older connections open", router + 1),
            );
        }
    }
}
