//! Orders, lease and routes may only repeat what is agreed.

use quorate_model::{NodeId, Phase, Progress, State, Task};

use super::{Case, Findings};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    for (node, order) in &case.plan.orders {
        findings.require(
            order.epoch == case.state.epoch && order.index == case.state.index,
            "I16",
            || format!("the order for {node} is not of the agreed epoch and index"),
        );
        let promised = case.seen.agents.get(node).map(|seen| seen.value.promised);
        findings.require(promised.is_none_or(|promised| promised <= order.epoch), "I2", || {
            format!("{node} has promised more than epoch {}", order.epoch)
        });
        task(case, node, &order.task, findings);
    }
    lease_and_routes(case, findings);
}

fn task(case: &Case<'_>, node: &NodeId, task: &Task, findings: &mut Findings) {
    let state = case.state;
    let leads = state.primary.as_ref() == Some(node);
    match task {
        Task::Revoke => findings.require(!leads, "I8", || format!("{node} leads and is told to revoke")),
        Task::Freeze { .. } => findings.require(
            state.phase == Phase::Revoking && state.deposed.as_ref() == Some(node),
            "I13",
            || format!("{node} is told to freeze, but no handover from it is under way"),
        ),
        Task::Follow { source, .. } => {
            findings.require(
                !leads && state.primary.as_ref() == Some(source) && source != node,
                "I8",
                || format!("{node} is told to follow {source}, which is not elected"),
            );
            follow(case, node, findings);
        }
        Task::Promote { ack_set, required, .. } => {
            findings.require(leads && state.phase == Phase::Elected, "I8", || {
                format!("{node} is told to take a role that it was not elected for")
            });
            findings.require(
                ack_set.iter().all(|member| state.ack_set.contains_key(member)),
                "I3",
                || format!("{node} would count acknowledgements from outside the agreed ack set"),
            );
            findings.require(required == &state.required, "I14", || {
                format!("{node} would not be asked for the agreed position")
            });
        }
        Task::Serve { ack_set, routers } => {
            findings.require(leads && state.phase == Phase::Open, "I8", || {
                format!("{node} is told to serve, but epoch {} is not open on it", state.epoch)
            });
            findings.require(
                ack_set.iter().all(|member| state.ack_set.contains_key(member)),
                "I3",
                || format!("{node} would count acknowledgements from outside the agreed ack set"),
            );
            findings.require(
                routers.iter().all(|router| state.routers.contains(router)),
                "I9",
                || format!("{node} would admit a router that need not confirm epochs"),
            );
            findings.require(
                !ack_set.is_empty() || degrades(state) || state.ack_set.is_empty(),
                "I6",
                || format!("{node} would serve with nobody to acknowledge"),
            );
        }
    }
}

/// Following discards nothing that is not elsewhere: who still follows or is gated, and has only what was written by right.
fn follow(case: &Case<'_>, node: &NodeId, findings: &mut Findings) {
    let Some(report) = case.seen.agents.get(node).map(|seen| &seen.value) else {
        return;
    };
    let quorate_model::ServerState::Running { facts, .. } = &report.server else {
        findings.require(false, "I12", || {
            format!("{node} is told to follow without a look at what it has received")
        });
        return;
    };
    findings.require(
        case.state.timeline.errant(&facts.binlog_state).is_empty(),
        "I12",
        || format!("{node} has diverged and is told to follow"),
    );
    let harmless = report.fenced >= case.state.epoch || matches!(report.progress, Progress::Following { .. });
    findings.require(harmless, "I11", || {
        format!("{node} may still be a primary of a lower epoch and is told to follow without the gate")
    });
}

fn lease_and_routes(case: &Case<'_>, findings: &mut Findings) {
    let state = case.state;
    if let Some((node, epoch)) = &case.plan.lease {
        findings.require(
            state.phase == Phase::Open && state.primary.as_ref() == Some(node) && *epoch == state.epoch,
            "I10",
            || format!("a lease for {node} of epoch {epoch}, which is not open on it"),
        );
    }
    if let Some(table) = &case.plan.routes {
        findings.require(table.epoch == state.epoch && table.index == state.index, "I9", || {
            "the route table is not of the agreed epoch and index".to_owned()
        });
        let named = table.writable.as_ref().map(|endpoint| &endpoint.node);
        findings.require(
            named.is_none() || (state.phase == Phase::Open && named == state.primary.as_ref()),
            "I9",
            || "the route table names a primary of an epoch that is not open".to_owned(),
        );
    }
}

pub(super) fn degrades(state: &State) -> bool {
    state
        .spec
        .as_ref()
        .is_some_and(|spec| spec.policy.empty_ack_set == quorate_model::EmptyAckSet::Degrade)
}
