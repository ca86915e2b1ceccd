//! What is said to the supervisors, and when.

use std::time::Duration;

use quorate_model::{AgentReport, Epoch, LeaseKind, Moment, ProbeFacts, Progress, ServerFacts, ServerState, Task};

use super::server::{Role, Server};
use super::{Effect, Machine, Settings, Step};

/// What was reported last.
#[derive(Debug, Default)]
pub(super) struct Reports {
    seq: u64,
    at: Moment,
    last: Option<Box<AgentReport>>,
    /// Something asks for an answer, changed or not.
    hurry: bool,
}

impl Reports {
    /// The next report goes out at once.
    pub(super) const fn hurry(&mut self) {
        self.hurry = true;
    }

    pub(super) fn due(&self, settings: &Settings) -> Moment {
        self.at.after(settings.report_every)
    }
}

impl Machine {
    /// Reports at once what changed, soon when only positions did, and at an interval otherwise.
    pub(super) fn report_if_due(&mut self) {
        let mut report = self.report();
        let since = self.now.since(self.reports.at);
        let due = match &self.reports.last {
            None => true,
            Some(last) => {
                self.reports.hurry
                    || since >= self.settings.report_every
                    || frame(last) != frame(&report)
                    || (since >= self.settings.report_apart && positions(last) != positions(&report))
            }
        };
        if !due {
            return;
        }
        self.reports.hurry = false;
        self.reports.seq = self.reports.seq.saturating_add(1);
        self.reports.at = self.now;
        report.seq = self.reports.seq;
        self.lease.sent(report.seq, self.now);
        let report = Box::new(report);
        self.reports.last = Some(report.clone());
        self.out.push(Effect::Report(report));
    }

    fn report(&self) -> AgentReport {
        let up = self.up();
        let door = self.door();
        let lease = self
            .serving_epoch()
            .map_or(LeaseKind::None, |epoch| self.authority(epoch));
        AgentReport {
            node: self.identity.node.clone(),
            incarnation: self.identity.incarnation.clone(),
            server_id: self.identity.server_id,
            boot_nonce: self.durable.boot,
            seq: 0,
            promised: self.durable.promised,
            fenced: self.fenced(),
            door: door.state,
            ackable: self.reported_ackable(),
            admitted: door.admitted.clone(),
            server: self.server_state(),
            order_index: self.order.as_ref().map_or(0, |order| order.index),
            progress: self.progress(),
            vouch: up.is_some_and(|up| !matches!(up.role, Role::Gated)),
            pristine: up.is_some_and(|up| pristine(&up.facts)),
            source_silence: self.stream.map(|last_byte| self.now.since(last_byte.max(self.moved))),
            probes: self.probes.facts(self.now),
            lease,
            final_binlog: self.final_binlog.clone(),
            wants_handover: self.stop_by.is_some(),
            findings: self.findings.clone(),
            alike: self.alike.clone(),
        }
    }

    /// A primary role ends only with its process, so a killed server counts until it is reaped.
    fn fenced(&self) -> Epoch {
        let promised = self.durable.promised;
        match &self.server {
            Server::Up(up) => match &up.role {
                Role::Primary(primary) => promised.min(primary.epoch),
                Role::Gated | Role::Quiet | Role::Replica { .. } => promised,
            },
            Server::Down(_) | Server::Starting { .. } => promised,
        }
    }

    fn server_state(&self) -> ServerState {
        match &self.server {
            Server::Down(down) => ServerState::Down {
                exit: down.exit.clone(),
            },
            Server::Starting { .. } => ServerState::Starting,
            Server::Up(up) => ServerState::Running {
                facts: up.facts.clone(),
                age: self.now.since(up.at),
            },
        }
    }

    fn progress(&self) -> Progress {
        let Some(order) = &self.order else {
            return Progress::Idle;
        };
        let epoch = order.epoch;
        if self.durable.promised < epoch {
            let doing = "writing down the promise".to_owned();
            return Progress::Busy { epoch, doing };
        }
        match (&order.task, self.role()) {
            (Task::Revoke, Some(Role::Quiet)) if !self.promised_failsafe() => return Progress::Revoked { epoch },
            (Task::Freeze { .. }, Some(Role::Primary(primary))) => {
                if let Some(position) = primary.frozen.clone() {
                    return Progress::Frozen { epoch, position };
                }
            }
            (
                Task::Follow { source, .. },
                Some(Role::Replica {
                    epoch: of,
                    source: from,
                    attached: Some(_),
                }),
            ) if *of == epoch && from == source && self.trouble.is_none() => {
                let source = source.clone();
                return Progress::Following { epoch, source };
            }
            (Task::Serve { .. }, Some(Role::Primary(primary)))
                if primary.epoch == epoch && primary.barrier.is_some() && primary.unlocked =>
            {
                return Progress::Serving { epoch };
            }
            (Task::Promote { .. } | Task::Serve { .. }, Some(Role::Primary(primary))) if primary.epoch == epoch => {
                if let Some(barrier) = primary.barrier {
                    return Progress::Ready { epoch, barrier };
                }
            }
            _ => {}
        }
        match &self.trouble {
            Some(why) => Progress::Stuck {
                epoch,
                why: why.clone(),
            },
            None => Progress::Busy {
                epoch,
                doing: self.doing().to_owned(),
            },
        }
    }

    fn doing(&self) -> &'static str {
        match (&self.server, &self.step) {
            (Server::Down(_), _) => "about to start the server",
            (Server::Starting { .. }, _) => "starting the server",
            (Server::Up(up), _) if up.killed => "killing the server",
            (Server::Up(_), Some(pending)) => match &pending.step {
                Step::Salvage => "applying what an earlier run received",
                Step::StopReceiving => "stopping the receiving thread",
                Step::Drain { .. } => "applying what was received",
                Step::Attach { .. } => "attaching to the primary",
                Step::Arm => "switching semi-sync on",
                Step::WriteEpoch { .. } => "waiting for the epoch row to be acknowledged",
                Step::Unlock => "allowing writes",
                Step::Freeze { .. } => "freezing commits",
                Step::Thaw => "ending the freeze",
            },
            (Server::Up(_), None) if self.promised_failsafe() => {
                "waiting for the end of a failsafe lease that was given"
            }
            (Server::Up(_), None) => "between two steps",
        }
    }
}

fn pristine(facts: &ServerFacts) -> bool {
    facts.binlog_state.is_empty() && facts.applied.is_empty() && facts.received.is_empty()
}

/// A report without what changes all the time.
fn frame(report: &AgentReport) -> AgentReport {
    let flag = |span: Duration| if span.is_zero() { Duration::ZERO } else { Duration::MAX };
    AgentReport {
        seq: 0,
        server: match &report.server {
            ServerState::Running { facts, .. } => ServerState::Running {
                facts: ServerFacts {
                    read_only: facts.read_only,
                    semi_sync_armed: facts.semi_sync_armed,
                    unprotected_commits: facts.unprotected_commits,
                    io: facts.io,
                    applier: facts.applier,
                    replication_error: facts.replication_error.clone(),
                    ..ServerFacts::default()
                },
                age: Duration::ZERO,
            },
            ServerState::Down { exit } => ServerState::Down { exit: exit.clone() },
            ServerState::Starting => ServerState::Starting,
        },
        source_silence: report.source_silence.map(|_| Duration::ZERO),
        probes: ProbeFacts {
            disk_stalled: flag(report.probes.disk_stalled),
            commit_stuck: flag(report.probes.commit_stuck),
        },
        ..report.clone()
    }
}

fn positions(report: &AgentReport) -> Option<(&quorate_model::GtidSet, &quorate_model::GtidSet)> {
    match &report.server {
        ServerState::Running { facts, .. } => Some((&facts.received, &facts.binlog_pos)),
        ServerState::Down { .. } | ServerState::Starting => None,
    }
}
