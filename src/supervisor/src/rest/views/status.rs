//! The status of a cluster.

use std::time::Duration;

use quorate_api::rest::{
    ClusterStatus, NodeRoleView, NodeStateView, NodeStatus, PauseView, PhaseView, RaftView, RouterStatus, StatusView,
    SupervisorStatus,
};
use quorate_model::{ClusterSpec, Moment, NodeId, NodeRole, NodeState, NodeVerdict, Phase, Plan, Severity};

use super::{forecast, held_back, millis};
use crate::machine::Machine;

/// Revoking for longer than this is called blocked.
const BLOCKED_AFTER: Duration = Duration::from_secs(5);

pub(in crate::rest) fn status(machine: &Machine, now: Moment, raft: &RaftView) -> StatusView {
    StatusView {
        answered_by: raft.answered_by.clone(),
        from_leader: machine.leads(),
        clusters: vec![cluster(machine, now, raft)],
    }
}

fn cluster(machine: &Machine, now: Moment, raft: &RaftView) -> ClusterStatus {
    let (state, plan) = (machine.state(), machine.look(now));
    let spec = state.spec.as_ref().unwrap_or_else(|| &machine.settings().spec);
    let in_phase = now.since(machine.observations().phase_since);
    let supervisors = raft.members.iter().map(|member| SupervisorStatus {
        id: member.id.clone(),
        role: member.role,
        term: raft.term,
        api: member.api.clone(),
    });
    ClusterStatus {
        name: spec.name.clone(),
        cluster: spec.cluster.to_string(),
        epoch: state.epoch.0,
        phase: phase(state.phase, in_phase),
        phase_ms: millis(in_phase),
        primary: state.primary.as_ref().map(ToString::to_string),
        nodes: spec.nodes.keys().map(|node| node_status(node, spec, &plan)).collect(),
        ack_set: state.ack_set.keys().map(ToString::to_string).collect(),
        supervisors: supervisors.collect(),
        routers: routers(machine, now),
        forecast: forecast(&plan.forecast),
        paused: state.paused.as_ref().map(|pause| PauseView {
            by: pause.by.clone(),
            why: pause.why.clone(),
            at_unix_ms: pause.at.0,
        }),
        held_back: plan.held_back.iter().map(|held| held_back(held, now)).collect(),
        alarms: alarms(machine),
    }
}

fn phase(phase: Phase, since: Duration) -> PhaseView {
    match phase {
        Phase::Forming => PhaseView::Forming,
        Phase::Revoking if since > BLOCKED_AFTER => PhaseView::Blocked,
        Phase::Revoking => PhaseView::Revoking,
        Phase::Elected => PhaseView::Elected,
        Phase::Open => PhaseView::Open,
    }
}

fn node_status(node: &NodeId, spec: &ClusterSpec, plan: &Plan) -> NodeStatus {
    let verdict = plan.nodes.get(node);
    NodeStatus {
        id: node.to_string(),
        role: verdict.map_or(NodeRoleView::None, role),
        state: verdict.map_or(NodeStateView::Unknown, condition),
        gtid: verdict.map_or_else(String::new, |verdict| verdict.gtid.to_string()),
        lag_ms: verdict.and_then(|verdict| verdict.lag_ms),
        note: verdict.map_or_else(String::new, |verdict| verdict.note.clone()),
        door: spec.nodes.get(node).map_or_else(String::new, |node| node.door.clone()),
    }
}

const fn role(verdict: &NodeVerdict) -> NodeRoleView {
    match verdict.role {
        NodeRole::Primary => NodeRoleView::Primary,
        NodeRole::Replica => NodeRoleView::Replica,
        NodeRole::None => NodeRoleView::None,
    }
}

const fn condition(verdict: &NodeVerdict) -> NodeStateView {
    match verdict.state {
        NodeState::Healthy => NodeStateView::Healthy,
        NodeState::Joining => NodeStateView::Joining,
        NodeState::Lagging => NodeStateView::Lagging,
        NodeState::Down => NodeStateView::Down,
        NodeState::Silent => NodeStateView::Silent,
        NodeState::Diverged => NodeStateView::Diverged,
        NodeState::Unknown => NodeStateView::Unknown,
    }
}

fn routers(machine: &Machine, now: Moment) -> Vec<RouterStatus> {
    let seen = &machine.observations().routers;
    let routers = machine.state().routers.iter();
    routers
        .map(|router| {
            let heard = seen.get(router);
            RouterStatus {
                id: router.to_string(),
                confirmed: heard.map(|heard| heard.value.confirmed.0),
                connections: heard.map(|heard| heard.value.connections),
                held: heard.map(|heard| heard.value.held),
                silent_ms: heard.map(|heard| millis(now.since(heard.at))),
            }
        })
        .collect()
}

fn alarms(machine: &Machine) -> Vec<String> {
    let violations = machine.violations().iter();
    let violations = violations.map(|it| format!("the audit stops the plan: {}: {}", it.invariant, it.what));
    let reports = machine.observations().agents.iter();
    let findings = reports.flat_map(|(node, seen)| {
        let findings = seen
            .value
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Critical);
        findings.map(move |finding| format!("{node}: {}; {}", finding.problem, finding.lost_guarantee))
    });
    violations.chain(findings).collect()
}
