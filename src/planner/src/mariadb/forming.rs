//! The first primary ever: only on evidence that nobody has ever written anything.

use quorate_model::{Cause, Change, Epoch, Evidence, NodeId, Task};

use super::draft::Draft;
use super::view::{View, facts, ms};

/// Boots everybody behind the gate and begins the first epoch once every declared node is seen to be untouched.
pub(crate) fn form(view: &View<'_>, draft: &mut Draft) {
    let mut evidence = Vec::new();
    let mut missing = Vec::new();
    for node in view.spec.nodes.keys() {
        if view.report(node).is_some() {
            draft.order(node, Task::Revoke, "nobody leads yet: boots behind the gate and waits");
        }
        match untouched(view, node) {
            Ok(seen) => evidence.push(seen),
            Err(why) => missing.push(why),
        }
    }
    let leads = view.spec.nodes.values().any(|spec| spec.priority > 0);
    if !leads {
        missing.push("every declared node has priority 0: none may lead".to_owned());
    }
    if view.spec.nodes.len() < 2 && !view.degrades() {
        missing.push("only one node is declared: nobody could acknowledge its writes".to_owned());
    }
    if !missing.is_empty() {
        draft.hold("first primary", missing.join("; "), None);
        return;
    }
    draft.because(
        "cluster",
        "every declared node is up and untouched: the first epoch begins",
    );
    draft.change(Change::Begin {
        epoch: Epoch::ZERO.next(),
        cause: Cause::Bootstrap,
        evidence,
    });
}

fn untouched(view: &View<'_>, node: &NodeId) -> Result<Evidence, String> {
    let Some(report) = view.fresh(node) else {
        return Err(if view.report(node).is_some() {
            format!("{node}, silent for {}", ms(view.silence(node)))
        } else {
            format!("{node}, which was not heard of yet")
        });
    };
    let Some(facts) = facts(report) else {
        return Err(format!("the server of {node} to run behind the gate"));
    };
    if !report.pristine || !facts.binlog_state.is_empty() || !facts.applied.is_empty() {
        return Err(format!(
            "a person: supervisors without memory meet data on {node} ({}); restore their Raft logs, or declare \
             the cluster anew with empty data directories",
            facts.applied
        ));
    }
    if !view.known_directory(report) {
        return Err(format!("the data directory of {node} to be registered"));
    }
    Ok(Evidence::new(node, "running behind the gate, never written to"))
}
