//! What nodes say, by what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_model::{
    AgentReport, DoorState, Epoch, Incarnation, IoThread, LeaseKind, ProbeFacts, Progress, RouterId, ServerFacts,
    ServerState,
};

use super::{node, set};

pub(crate) fn incarnation(name: &str) -> Incarnation {
    Incarnation::new(format!("dir-{name}"))
}

pub(crate) fn server_id(name: &str) -> u32 {
    name.trim_start_matches('m').parse().unwrap()
}

fn report(name: &str, epoch: u64, progress: Progress, position: &str) -> AgentReport {
    let position = set(position);
    AgentReport {
        node: node(name),
        incarnation: incarnation(name),
        server_id: server_id(name),
        boot_nonce: 1,
        seq: 1,
        promised: Epoch(epoch),
        fenced: Epoch(epoch),
        door: DoorState::Closed,
        ackable: BTreeSet::new(),
        admitted: BTreeSet::new(),
        server: ServerState::Running {
            facts: ServerFacts {
                binlog_pos: position.clone(),
                binlog_state: position.clone(),
                applied: position.clone(),
                received: position,
                read_only: true,
                applier: true,
                ..ServerFacts::default()
            },
            age: Duration::ZERO,
        },
        progress,
        vouch: true,
        pristine: false,
        source_silence: None,
        probes: ProbeFacts::default(),
        lease: LeaseKind::None,
        final_binlog: None,
        order_index: 0,
        wants_handover: false,
        findings: Vec::new(),
        alike: BTreeMap::new(),
    }
}

/// Untouched, up behind the gate.
pub(crate) fn gated(name: &str) -> AgentReport {
    let mut report = report(name, 0, Progress::Revoked { epoch: Epoch(0) }, "");
    report.pristine = true;
    report
}

pub(crate) fn revoked(name: &str, epoch: u64, position: &str) -> AgentReport {
    report(name, epoch, Progress::Revoked { epoch: Epoch(epoch) }, position)
}

pub(crate) fn following(name: &str, epoch: u64, source: &str, position: &str) -> AgentReport {
    let progress = Progress::Following {
        epoch: Epoch(epoch),
        source: node(source),
    };
    let mut report = report(name, epoch, progress, position);
    report.source_silence = Some(Duration::ZERO);
    if let ServerState::Running { facts, .. } = &mut report.server {
        facts.io = IoThread::Yes;
    }
    report
}

pub(crate) fn serving(name: &str, epoch: u64, position: &str, ackable: &[&str]) -> AgentReport {
    let mut report = report(name, epoch, Progress::Serving { epoch: Epoch(epoch) }, position);
    report.door = DoorState::Open { epoch: Epoch(epoch) };
    report.ackable = ackable.iter().map(|name| node(name)).collect();
    report.admitted = [RouterId::new("r1")].into();
    report.lease = LeaseKind::Supervisors;
    if let ServerState::Running { facts, .. } = &mut report.server {
        facts.semi_sync_armed = true;
        facts.read_only = false;
    }
    report
}

pub(crate) fn ready(name: &str, epoch: u64, barrier: &str, ackable: &[&str]) -> AgentReport {
    let mut report = serving(name, epoch, barrier, ackable);
    report.progress = Progress::Ready {
        epoch: Epoch(epoch),
        barrier: barrier.parse().unwrap(),
    };
    report.door = DoorState::Replicas { epoch: Epoch(epoch) };
    report.lease = LeaseKind::None;
    report
}
