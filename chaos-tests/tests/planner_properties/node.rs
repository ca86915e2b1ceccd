//! An abstract node: a server that may lose what the real one may lose, under an agent that keeps the agents' contract.

mod report;

use std::collections::BTreeSet;

use quorate_model::{Epoch, Gtid, GtidSet, Incarnation, NodeId, Order, RouterId, Task};

/// One transaction; `uid` tells apart two with one GTID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Txn {
    pub(crate) server: u32,
    pub(crate) uid: u64,
    pub(crate) client: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) epoch: Epoch,
    /// Place of the epoch row in the binlog, once written.
    pub(crate) row: Option<usize>,
    pub(crate) unlocked: bool,
    pub(crate) frozen: bool,
    pub(crate) ackable: BTreeSet<NodeId>,
    pub(crate) admitted: BTreeSet<RouterId>,
    /// Everything before this place is acknowledged.
    pub(crate) acked: usize,
    began: usize,
    freezing: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    Down,
    /// Behind the gate, its relay log beyond salvage.
    Broken,
    Quiet,
    Replica {
        epoch: Epoch,
        source: NodeId,
    },
    Primary(Primary),
}

#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent conditions that faults switch one by one"
)]
pub(crate) struct Node {
    pub(crate) name: NodeId,
    pub(crate) server_id: u32,
    pub(crate) incarnation: Incarnation,
    boot: u64,
    seq: u64,
    pub(crate) promised: Epoch,
    led: Epoch,
    pub(crate) order: Option<Order>,
    pub(crate) server: Server,
    pub(crate) binlog: Vec<Txn>,
    pub(crate) relay: Vec<Txn>,
    /// How much of its binlog a former primary may lose at boot.
    truncate_to: Option<usize>,
    final_binlog: Option<GtidSet>,
    pub(crate) alive: bool,
    pub(crate) stopped: bool,
    /// Supervisors and it hear each other.
    pub(crate) reachable: bool,
    /// On which side of the data network it is.
    pub(crate) side: u8,
    damaged: bool,
    pub(crate) wants_handover: bool,
}

impl Node {
    pub(crate) fn new(server_id: u32) -> Self {
        Self {
            name: NodeId::new(format!("m{server_id}")),
            server_id,
            incarnation: Incarnation::new(format!("{server_id}-0")),
            boot: 0,
            seq: 0,
            promised: Epoch::ZERO,
            led: Epoch::ZERO,
            order: None,
            server: Server::Down,
            binlog: Vec::new(),
            relay: Vec::new(),
            truncate_to: None,
            final_binlog: None,
            alive: true,
            stopped: false,
            reachable: true,
            side: 0,
            damaged: false,
            wants_handover: false,
        }
    }

    pub(crate) const fn works(&self) -> bool {
        self.alive && !self.stopped
    }

    pub(crate) const fn primary(&self) -> Option<&Primary> {
        match &self.server {
            Server::Primary(primary) => Some(primary),
            _ => None,
        }
    }

    pub(crate) const fn primary_mut(&mut self) -> Option<&mut Primary> {
        match &mut self.server {
            Server::Primary(primary) => Some(primary),
            _ => None,
        }
    }

    /// Everything it holds, applied or not.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Txn> {
        self.binlog.iter().chain(&self.relay)
    }

    pub(crate) fn len(&self) -> usize {
        self.binlog.len() + self.relay.len()
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Txn> {
        self.binlog
            .get(place)
            .or_else(|| self.relay.get(place.checked_sub(self.binlog.len())?))
    }

    /// The door admits replicas of its epoch: it leads it, and has promised nothing higher except for a freeze.
    pub(crate) fn feeds(&self) -> bool {
        let freezing = matches!(&self.order, Some(order) if matches!(order.task, Task::Freeze { .. }));
        self.works()
            && self
                .primary()
                .is_some_and(|primary| primary.row.is_some() && (primary.epoch == self.promised || freezing))
    }

    pub(crate) fn writable(&self) -> bool {
        self.primary()
            .is_some_and(|primary| primary.unlocked && !primary.frozen)
    }

    pub(crate) fn door_open(&self) -> bool {
        self.works()
            && self
                .primary()
                .is_some_and(|primary| primary.unlocked && primary.epoch == self.promised)
    }

    /// The server dies. `lose` of the tail that only the binlog holds may be gone after the next boot, acknowledged or not.
    pub(crate) fn crash(&mut self, lose: usize) {
        if let Server::Primary(primary) = &self.server {
            self.final_binlog = Some(position(&self.binlog));
            // At most two acknowledged ones: their engine commit was not flushed (M7).
            let least = primary.acked.saturating_sub(2).max(primary.began);
            let to = self.binlog.len().saturating_sub(lose).max(least);
            self.truncate_to = Some(to.min(self.truncate_to.unwrap_or(to)));
        }
        if self.server != Server::Broken {
            self.server = Server::Down;
        }
    }

    pub(crate) fn kill_agent(&mut self, lose: usize) {
        self.crash(lose);
        if self.server == Server::Broken {
            self.server = Server::Down;
        }
        self.alive = false;
        self.stopped = false;
        self.order = None;
        self.final_binlog = None;
        self.wants_handover = false;
    }

    /// What it received and did not apply is lost for good; it will not vouch.
    pub(crate) fn damage(&mut self) {
        if matches!(self.server, Server::Down) && !self.relay.is_empty() {
            self.relay.clear();
            self.damaged = true;
        }
    }

    /// A new data directory.
    pub(crate) fn wipe(&mut self) {
        self.kill_agent(0);
        self.boot += 1;
        self.incarnation = Incarnation::new(format!("{}-{}", self.server_id, self.boot));
        self.binlog.clear();
        self.relay.clear();
        (self.promised, self.led) = (Epoch::ZERO, Epoch::ZERO);
        (self.truncate_to, self.damaged) = (None, false);
    }

    fn boot(&mut self) {
        self.boot += 1;
        if let Some(to) = self.truncate_to.take() {
            self.binlog.truncate(to);
        }
        if self.damaged {
            self.server = Server::Broken;
            return;
        }
        self.binlog.append(&mut self.relay);
        self.server = Server::Quiet;
    }

    /// Takes in an order; whether it was accepted, and whether anything changed.
    pub(crate) fn take(&mut self, order: &Order) -> bool {
        let stale = self
            .order
            .as_ref()
            .is_some_and(|last| order.epoch == last.epoch && order.index < last.index);
        if !self.works() || order.epoch < self.promised || stale {
            return false;
        }
        let repeated = self
            .order
            .as_ref()
            .is_some_and(|last| last.epoch == order.epoch && last.task == order.task);
        self.promised = order.epoch;
        if let Task::Promote { ack_set, .. } | Task::Serve { ack_set, .. } = &order.task
            && let Some(primary) = self.primary_mut()
            && primary.epoch == order.epoch
        {
            primary.ackable.clone_from(ack_set);
        }
        self.order = Some(order.clone());
        !repeated
    }

    /// Does the next thing towards the order. `uid` is for an epoch row.
    pub(crate) fn work(&mut self, uid: &mut u64, lose: usize) {
        if !self.works() || self.server == Server::Broken {
            return;
        }
        let Some(order) = self.order.clone() else {
            return;
        };
        match order.task {
            Task::Revoke => match self.server {
                Server::Down => self.boot(),
                Server::Primary(_) => self.crash(lose),
                Server::Replica { .. } => self.server = Server::Quiet,
                Server::Quiet | Server::Broken => {}
            },
            Task::Follow { source, .. } => self.follow(order.epoch, source, lose),
            Task::Freeze { .. } => self.freeze(),
            Task::Promote { ack_set, required, .. } => self.promote(order.epoch, &ack_set, &required, uid),
            Task::Serve { ack_set, routers } => {
                if let Some(primary) = self.primary_mut().filter(|primary| primary.epoch == order.epoch)
                    && primary.row.is_some_and(|row| primary.acked > row)
                {
                    (primary.unlocked, primary.frozen) = (true, false);
                    (primary.ackable, primary.admitted) = (ack_set, routers);
                }
            }
        }
    }

    /// A dead server comes up by itself after a while; behind the gate that is harmless.
    pub(crate) fn boot_by_itself(&mut self) {
        if self.works() && self.server == Server::Down {
            self.boot();
        }
    }

    fn follow(&mut self, epoch: Epoch, source: NodeId, lose: usize) {
        match &self.server {
            Server::Down => self.boot(),
            Server::Primary(_) => self.crash(lose),
            Server::Replica {
                epoch: of,
                source: from,
            } if *of == epoch && *from == source => {}
            Server::Replica { .. } => self.server = Server::Quiet,
            Server::Quiet => {
                self.binlog.append(&mut self.relay);
                self.final_binlog = None;
                self.server = Server::Replica { epoch, source };
            }
            Server::Broken => {}
        }
    }

    fn freeze(&mut self) {
        let end = self.binlog.len();
        if let Some(primary) = self.primary_mut().filter(|primary| primary.row.is_some()) {
            if primary.acked == end && primary.freezing < 3 {
                primary.frozen = true;
            } else {
                primary.freezing = primary.freezing.saturating_add(1);
            }
        }
    }

    fn promote(&mut self, epoch: Epoch, ackable: &BTreeSet<NodeId>, required: &GtidSet, uid: &mut u64) {
        let end = self.len();
        let fit = position_of(self.held().copied(), end).covers(required);
        let fresh = |acked: usize| Primary {
            epoch,
            row: None,
            unlocked: false,
            frozen: false,
            ackable: ackable.clone(),
            admitted: BTreeSet::new(),
            acked,
            began: end,
            freezing: 0,
        };
        match &mut self.server {
            Server::Replica { .. } => self.server = Server::Quiet,
            Server::Quiet if self.led < epoch && fit => {
                self.binlog.append(&mut self.relay);
                self.final_binlog = None;
                self.led = epoch;
                self.server = Server::Primary(fresh(end));
            }
            Server::Primary(primary) if primary.epoch < epoch => {
                let (acked, began) = (primary.acked, primary.began);
                self.led = epoch;
                self.server = Server::Primary(Primary { began, ..fresh(acked) });
            }
            Server::Primary(primary) if primary.epoch == epoch && primary.row.is_none() => {
                primary.row = Some(self.binlog.len());
                *uid += 1;
                self.binlog.push(Txn {
                    server: self.server_id,
                    uid: *uid,
                    client: false,
                });
            }
            Server::Down | Server::Broken | Server::Quiet | Server::Primary(_) => {}
        }
    }
}

fn position(binlog: &[Txn]) -> GtidSet {
    position_of(binlog.iter().copied(), binlog.len())
}

fn position_of(held: impl Iterator<Item = Txn>, len: usize) -> GtidSet {
    held.last()
        .map(|txn| Gtid {
            domain: 0,
            server: txn.server,
            seq: len as u64,
        })
        .into_iter()
        .collect()
}
