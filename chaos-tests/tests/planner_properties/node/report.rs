//! What an abstract node says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::{
    AgentReport, DoorState, Gtid, IoThread, LeaseKind, ProbeFacts, Progress, ServerFacts, ServerState, Task,
};

use super::{Node, Server, position, position_of};

impl Node {
    /// What it says. `fed` is whether its stream stands.
    pub(crate) fn report(&mut self, fed: bool) -> AgentReport {
        self.seq += 1;
        let primary = self.primary();
        AgentReport {
            node: self.name.clone(),
            incarnation: self.incarnation.clone(),
            server_id: self.server_id,
            boot_nonce: self.boot,
            seq: self.seq,
            promised: self.promised,
            fenced: primary.map_or(self.promised, |primary| self.promised.min(primary.epoch)),
            door: match primary {
                Some(primary) if self.door_open() => DoorState::Open { epoch: primary.epoch },
                Some(primary) => DoorState::Replicas { epoch: primary.epoch },
                None => DoorState::Closed,
            },
            ackable: primary.map(|primary| primary.ackable.clone()).unwrap_or_default(),
            admitted: primary.map(|primary| primary.admitted.clone()).unwrap_or_default(),
            server: match self.server {
                Server::Down => ServerState::Down { exit: None },
                _ => ServerState::Running {
                    facts: self.facts(fed),
                    age: Duration::ZERO,
                },
            },
            progress: self.progress(),
            vouch: !matches!(self.server, Server::Down | Server::Broken),
            pristine: self.server != Server::Down && self.len() == 0 && !self.damaged,
            source_silence: fed.then_some(Duration::ZERO),
            probes: ProbeFacts::default(),
            lease: LeaseKind::None,
            final_binlog: self.final_binlog.clone(),
            order_index: 0,
            wants_handover: self.wants_handover,
            findings: Vec::new(),
            alike: BTreeMap::new(),
        }
    }

    fn facts(&self, fed: bool) -> ServerFacts {
        let mut state: BTreeMap<u32, u64> = BTreeMap::new();
        for (txn, seq) in self.binlog.iter().zip(1..) {
            state.insert(txn.server, seq);
        }
        let binlog_state = state.into_iter().map(|(server, seq)| Gtid { domain: 0, server, seq });
        ServerFacts {
            binlog_pos: position(&self.binlog),
            binlog_state: binlog_state.collect(),
            applied: position(&self.binlog),
            received: position_of(self.held().copied(), self.len()),
            read_only: !self.writable(),
            semi_sync_armed: self.primary().is_some(),
            io: if fed { IoThread::Yes } else { IoThread::No },
            applier: matches!(self.server, Server::Replica { .. }),
            ..ServerFacts::default()
        }
    }

    fn progress(&self) -> Progress {
        let Some(order) = &self.order else {
            return Progress::Idle;
        };
        let epoch = order.epoch;
        let busy = Progress::Busy {
            epoch,
            doing: "working".to_owned(),
        };
        match (&order.task, &self.server) {
            (Task::Revoke, Server::Quiet) => Progress::Revoked { epoch },
            (
                Task::Follow { source, .. },
                Server::Replica {
                    epoch: of,
                    source: from,
                },
            ) if *of == epoch && from == source => Progress::Following {
                epoch,
                source: source.clone(),
            },
            (Task::Freeze { .. }, Server::Primary(primary)) if primary.frozen => Progress::Frozen {
                epoch,
                position: position(&self.binlog),
            },
            (Task::Freeze { .. }, Server::Primary(primary)) if primary.freezing >= 3 => Progress::Stuck {
                epoch,
                why: "commits could not be frozen".to_owned(),
            },
            (Task::Promote { .. }, Server::Quiet) if self.led >= epoch => Progress::Stuck {
                epoch,
                why: "restarted since it took the role".to_owned(),
            },
            (Task::Serve { .. }, Server::Primary(primary)) if primary.epoch == epoch && primary.unlocked => {
                Progress::Serving { epoch }
            }
            (Task::Promote { .. } | Task::Serve { .. }, Server::Primary(primary)) if primary.epoch == epoch => {
                match primary.row.filter(|row| primary.acked > *row) {
                    Some(row) => Progress::Ready {
                        epoch,
                        barrier: Gtid {
                            domain: 0,
                            server: self.server_id,
                            seq: row as u64 + 1,
                        },
                    },
                    None => busy,
                }
            }
            _ => busy,
        }
    }
}
