//! What the other nodes shall be once a primary is elected: its replicas, by way of the gate, unless they have diverged.

use quorate_model::{AgentReport, NodeId, Progress, ServerState, Task};

use super::draft::Draft;
use super::view::{View, facts};

/// Orders for all nodes but the primary.
pub(crate) fn orders(view: &View<'_>, draft: &mut Draft) {
    let Some(primary) = view.state.primary.as_ref() else {
        return;
    };
    let Some(door) = view.spec.nodes.get(primary).map(|spec| spec.door.clone()) else {
        draft.hold(
            format!("replication from {primary}"),
            format!("{primary} to be declared: its door is not known"),
            None,
        );
        return;
    };
    for node in view.others() {
        let Some(report) = view.report(node) else {
            draft.hold(
                format!("{node} as a replica"),
                "its agent, which was not heard of yet",
                None,
            );
            continue;
        };
        match step(view, node, report) {
            Step::Gate(why) => draft.order(node, Task::Revoke, why),
            Step::Follow => {
                let task = Task::Follow {
                    source: primary.clone(),
                    source_door: door.clone(),
                };
                draft.order(
                    node,
                    task,
                    format!("replicates from {primary} under epoch {}", view.epoch()),
                );
            }
            Step::Diverged(why) => {
                draft.hold(format!("{node} as a replica"), format!("a rebuild: {why}"), None);
                draft.order(node, Task::Revoke, why);
            }
        }
    }
}

enum Step {
    /// Behind the gate first.
    Gate(String),
    Follow,
    /// Stays behind the gate.
    Diverged(String),
}

fn step(view: &View<'_>, node: &NodeId, report: &AgentReport) -> Step {
    let Some(facts) = facts(report) else {
        return Step::Gate(match &report.server {
            ServerState::Down { exit: Some(exit) } => format!("its server ended ({exit}): boots behind the gate"),
            _ => "boots behind the gate".to_owned(),
        });
    };
    let replicates = matches!(report.progress, Progress::Following { .. });
    // Until it is known harmless, a former primary may hold a tail that truncation at boot takes away.
    if report.fenced < view.epoch() && !replicates {
        return Step::Gate(format!(
            "not known harmless under epoch {}: behind the gate first",
            view.epoch()
        ));
    }
    if let Some(gtid) = view.errant(facts).first() {
        return Step::Diverged(format!("{node} holds {gtid}, which nobody was entitled to write"));
    }
    Step::Follow
}

/// Whether a node has diverged, as far as is known: its condition in the plan.
pub(crate) fn diverged(view: &View<'_>, node: &NodeId) -> Option<String> {
    let report = view.report(node)?;
    match step(view, node, report) {
        Step::Diverged(why) => Some(why),
        Step::Gate(_) | Step::Follow => None,
    }
}
