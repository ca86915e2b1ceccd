//! How each node is judged, for people and for dashboards.

use std::collections::BTreeMap;

use quorate_model::{
    AgentReport, GtidSet, IoThread, NodeId, NodeRole, NodeState, NodeVerdict, Phase, Progress, ServerState,
};

use super::ackset::streams;
use super::rejoin::diverged;
use super::view::{View, facts, ms};

/// A replica further behind is called lagging.
const LAG_MAX_MS: u64 = 5_000;

/// The judgement of every declared node.
pub(crate) fn verdicts(view: &View<'_>) -> BTreeMap<NodeId, NodeVerdict> {
    view.spec
        .nodes
        .keys()
        .map(|node| (node.clone(), verdict(view, node)))
        .collect()
}

fn verdict(view: &View<'_>, node: &NodeId) -> NodeVerdict {
    let Some(report) = view.report(node) else {
        return NodeVerdict {
            role: NodeRole::None,
            state: NodeState::Unknown,
            gtid: GtidSet::new(),
            lag_ms: None,
            note: "not heard of yet".to_owned(),
        };
    };
    let facts = facts(report);
    let (state, note) = condition(view, node, report);
    NodeVerdict {
        role: role(view, node, report),
        state,
        gtid: facts.map(|facts| facts.applied.clone()).unwrap_or_default(),
        lag_ms: facts.and_then(|facts| facts.lag_ms),
        note,
    }
}

fn role(view: &View<'_>, node: &NodeId, report: &AgentReport) -> NodeRole {
    if view.state.primary.as_ref() == Some(node) {
        return NodeRole::Primary;
    }
    let follows = matches!(report.progress, Progress::Following { .. });
    if follows || view.state.ack_set.contains_key(node) {
        NodeRole::Replica
    } else {
        NodeRole::None
    }
}

fn condition(view: &View<'_>, node: &NodeId, report: &AgentReport) -> (NodeState, String) {
    if view.fresh(node).is_none() {
        return (
            NodeState::Silent,
            format!("nothing heard for {}", ms(view.silence(node))),
        );
    }
    let facts = match (&report.server, facts(report)) {
        (ServerState::Down { exit }, _) => {
            let note = exit.clone().unwrap_or_else(|| "server not running".to_owned());
            return (NodeState::Down, note);
        }
        (_, None) => return (NodeState::Joining, "server starting".to_owned()),
        (_, Some(facts)) => facts,
    };
    if view.state.primary.as_ref() == Some(node) {
        return leading(view, report);
    }
    if let Some(why) = diverged(view, node) {
        return (NodeState::Diverged, why);
    }
    if let Progress::Stuck { why, .. } = &report.progress {
        return (NodeState::Joining, format!("stuck: {why}"));
    }
    if !streams(view, node) {
        return (NodeState::Joining, joining(view, report, facts.io));
    }
    if !facts.applier {
        let why = facts
            .replication_error
            .clone()
            .unwrap_or_else(|| "applier stopped".to_owned());
        return (NodeState::Lagging, why);
    }
    match facts.lag_ms {
        Some(lag) if lag > LAG_MAX_MS => (NodeState::Lagging, format!("{lag} ms behind")),
        _ => (NodeState::Healthy, "replicating".to_owned()),
    }
}

fn leading(view: &View<'_>, report: &AgentReport) -> (NodeState, String) {
    match &report.progress {
        Progress::Serving { epoch } if *epoch == view.epoch() => {
            (NodeState::Healthy, format!("serving under epoch {epoch}"))
        }
        Progress::Ready { epoch, .. } if *epoch == view.epoch() => (NodeState::Joining, "ready to open".to_owned()),
        Progress::Busy { doing, .. } => (NodeState::Joining, doing.clone()),
        Progress::Stuck { why, .. } => (NodeState::Joining, format!("stuck: {why}")),
        _ => (NodeState::Joining, "elected".to_owned()),
    }
}

fn joining(view: &View<'_>, report: &AgentReport, io: IoThread) -> String {
    match &report.progress {
        Progress::Revoked { epoch } if *epoch == view.epoch() && view.state.phase == Phase::Revoking => {
            "revoked, waiting for the election".to_owned()
        }
        Progress::Revoked { .. } | Progress::Idle => "waiting behind the gate".to_owned(),
        Progress::Busy { doing, .. } => doing.clone(),
        Progress::Following { source, .. } if io == IoThread::Yes => format!("receives from {source}"),
        Progress::Following { source, .. } => format!("connecting to {source}"),
        _ => "changing its role".to_owned(),
    }
}
