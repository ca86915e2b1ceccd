//! Changes: each must be a step that the agreed state and the evidence allow.

use std::collections::BTreeMap;

use quorate_model::{
    AgentReport, Cause, Change, Epoch, Incarnation, NodeId, Phase, Progress, ReadFence, RouterId, ServerState,
};

use super::orders::degrades;
use super::{Case, Findings, safety};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let moves = case.plan.changes.iter().filter(|change| {
        matches!(
            change,
            Change::Begin { .. } | Change::Elect { .. } | Change::Open { .. } | Change::AckSetChanged { .. }
        )
    });
    findings.require(moves.count() <= 1, "I1", || {
        "more than one step of an epoch in one plan".to_owned()
    });
    for change in &case.plan.changes {
        match change {
            Change::Begin { epoch, cause, evidence } => {
                begin(case, *epoch, cause, findings);
                explained(evidence.len(), "Begin", findings);
            }
            Change::Elect { epoch, evidence, .. } => {
                findings.require(
                    *epoch == case.state.epoch && case.state.phase == Phase::Revoking,
                    "I1",
                    || {
                        format!(
                            "an election for epoch {epoch} while {} is {:?}",
                            case.state.epoch, case.state.phase
                        )
                    },
                );
                explained(evidence.len(), "Elect", findings);
                safety::elect(case, change, findings);
            }
            Change::Open { epoch, evidence, .. } => {
                findings.require(
                    *epoch == case.state.epoch && case.state.phase == Phase::Elected,
                    "I1",
                    || {
                        format!(
                            "epoch {epoch} would open while {} is {:?}",
                            case.state.epoch, case.state.phase
                        )
                    },
                );
                explained(evidence.len(), "Open", findings);
                open(case, findings);
            }
            Change::AckSetChanged { epoch, ack_set, .. } => ack_set_changed(case, *epoch, ack_set, findings),
            Change::NodeRegistered { node, incarnation, .. } => registered(case, node, incarnation, findings),
            Change::RouterRemoved { router } => router_removed(case, router, findings),
            Change::RouterAdmitted { .. } => {}
            Change::PolicyChanged { .. } | Change::Paused { .. } | Change::Resumed { .. } | Change::Noted { .. } => {
                findings.require(false, "I20", || {
                    "the planner proposes what only people decide".to_owned()
                });
            }
        }
    }
}

fn explained(evidence: usize, what: &str, findings: &mut Findings) {
    findings.require(evidence > 0, "I17", || format!("{what} without evidence"));
}

fn begin(case: &Case<'_>, epoch: Epoch, cause: &Cause, findings: &mut Findings) {
    let state = case.state;
    findings.require(
        epoch.0 == state.epoch.0 + 1 && state.phase != Phase::Revoking,
        "I1",
        || format!("epoch {epoch} would begin while {} is {:?}", state.epoch, state.phase),
    );
    findings.require(state.paused.is_none(), "I19", || {
        "an epoch would begin in a pause".to_owned()
    });
    let fits = match cause {
        Cause::Bootstrap => state.phase == Phase::Forming,
        Cause::CandidateLost => state.phase == Phase::Elected,
        Cause::PrimaryDown
        | Cause::PrimarySilent
        | Cause::ReplicationCut
        | Cause::DiskStalled
        | Cause::Switchover { .. } => state.phase == Phase::Open,
    };
    findings.require(fits, "I1", || format!("`{cause}` in phase {:?}", state.phase));
    if *cause == Cause::Bootstrap {
        for node in state.spec.iter().flat_map(|spec| spec.nodes.keys()) {
            let untouched = report(case, node).is_some_and(|report| report.pristine && report.promised == Epoch::ZERO);
            findings.require(untouched, "I4", || {
                format!("first epoch, but {node} is not known to be untouched")
            });
        }
    }
}

fn open(case: &Case<'_>, findings: &mut Findings) {
    let state = case.state;
    let ready = state
        .primary
        .as_ref()
        .and_then(|node| report(case, node))
        .is_some_and(|report| matches!(report.progress, Progress::Ready { epoch, .. } if epoch == state.epoch));
    findings.require(ready, "I15", || {
        "open before the epoch row of its primary is acknowledged".to_owned()
    });
    let strict = state
        .spec
        .as_ref()
        .is_some_and(|spec| spec.policy.read_fence == ReadFence::Strict);
    findings.require(!strict || readers_gone(case), "I9", || {
        "open while readers of the old primary may be left".to_owned()
    });
}

fn readers_gone(case: &Case<'_>) -> bool {
    let state = case.state;
    let Some(old) = state.deposed.as_ref() else {
        return true;
    };
    if state.primary.as_ref() == Some(old) || report(case, old).is_some_and(|report| report.fenced >= state.epoch) {
        return true;
    }
    let confirmed = |router: &RouterId| {
        case.seen
            .routers
            .get(router)
            .is_some_and(|seen| seen.value.confirmed >= state.epoch)
    };
    if state.routers.iter().all(confirmed) {
        return true;
    }
    let wait = state
        .spec
        .as_ref()
        .map(|spec| spec.policy.lease_wait())
        .unwrap_or_default();
    let last = case.seen.last_grant.map_or(case.seen.leader_since, |(_, granted)| {
        granted.max(case.seen.leader_since)
    });
    case.now >= last.after(wait)
}

fn ack_set_changed(case: &Case<'_>, epoch: Epoch, ack_set: &BTreeMap<NodeId, Incarnation>, findings: &mut Findings) {
    let state = case.state;
    findings.require(
        epoch == state.epoch && matches!(state.phase, Phase::Elected | Phase::Open),
        "I3",
        || {
            format!(
                "the ack set of epoch {epoch} would change while {} is {:?}",
                state.epoch, state.phase
            )
        },
    );
    findings.require(state.paused.is_none(), "I19", || {
        "the ack set would change in a pause".to_owned()
    });
    findings.require(!ack_set.is_empty() || degrades(state), "I3", || {
        "the last member would leave the ack set".to_owned()
    });
    for (node, incarnation) in ack_set {
        let old = state.ack_set.get(node);
        findings.require(old.is_none_or(|old| old == incarnation), "I3", || {
            format!("the data directory of {node} would be swapped within the ack set")
        });
        findings.require(old.is_some() || state.primary.as_ref() != Some(node), "I3", || {
            format!("the primary {node} would acknowledge itself")
        });
    }
    for node in state.ack_set.keys().filter(|node| !ack_set.contains_key(*node)) {
        removal(case, node, ack_set, findings);
    }
}

fn removal(case: &Case<'_>, node: &NodeId, rest: &BTreeMap<NodeId, Incarnation>, findings: &mut Findings) {
    let primary = case.state.primary.as_ref().and_then(|primary| report(case, primary));
    let Some(primary) = primary else {
        findings.require(false, "I3", || {
            format!("{node} would leave the ack set without word of the primary")
        });
        return;
    };
    let serving = matches!(primary.progress, Progress::Serving { epoch } if epoch == case.state.epoch);
    findings.require(serving && !primary.ackable.contains(node), "I3", || {
        format!("{node} would leave the ack set while it may still acknowledge")
    });
    let ServerState::Running { facts: end, .. } = &primary.server else {
        findings.require(false, "I5", || {
            format!("{node} would leave the ack set without a barrier")
        });
        return;
    };
    let held = rest.iter().any(|(member, incarnation)| {
        report(case, member).is_some_and(|report| {
            report.incarnation == *incarnation
                && matches!(&report.server, ServerState::Running { facts, .. } if facts.received.covers(&end.binlog_pos))
        })
    });
    findings.require(held || (rest.is_empty() && degrades(case.state)), "I5", || {
        format!("{node} would leave the ack set though it may hold the only copy of an acknowledged write")
    });
}

fn registered(case: &Case<'_>, node: &NodeId, incarnation: &Incarnation, findings: &mut Findings) {
    let state = case.state;
    let replaced = state
        .nodes
        .get(node)
        .is_some_and(|known| known.incarnation != *incarnation);
    let counts = state.ack_set.contains_key(node)
        || state.primary.as_ref() == Some(node)
        || state.deposed.as_ref() == Some(node);
    findings.require(!(replaced && counts), "I4", || {
        format!("the directory of {node} would be replaced while proofs still rest on it")
    });
}

fn router_removed(case: &Case<'_>, router: &RouterId, findings: &mut Findings) {
    let shut = case
        .state
        .primary
        .as_ref()
        .and_then(|primary| report(case, primary))
        .is_some_and(|report| !report.admitted.contains(router));
    findings.require(shut && case.state.phase == Phase::Open, "I9", || {
        format!("router {router} would be forgotten while a door may admit it")
    });
}

pub(super) fn report<'a>(case: &Case<'a>, node: &NodeId) -> Option<&'a AgentReport> {
    case.seen.agents.get(node).map(|seen| &seen.value)
}
