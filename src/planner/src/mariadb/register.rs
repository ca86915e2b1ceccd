//! Which data directory and `server_id` belongs to a node.

use quorate_model::{AgentReport, Change, NodeId};

use super::draft::Draft;
use super::view::View;

/// Registers directories that are new. A replaced directory is registered only where the old one is no longer part of any
/// proof: not while the node leads, has just led, or is in the ack set.
pub(crate) fn register(view: &View<'_>, draft: &mut Draft) {
    for node in view.spec.nodes.keys() {
        let Some(report) = view.fresh(node) else {
            continue;
        };
        let known = view.state.nodes.get(node);
        if known.is_some_and(|known| known.incarnation == report.incarnation && known.server_id == report.server_id) {
            continue;
        }
        let what = format!("registration of the data directory {} of {node}", report.incarnation);
        if let Some(other) = taken(view, node, report) {
            draft.hold(
                what,
                format!(
                    "a directory and server_id of its own: {other} has the same (a copied data directory? server_id {})",
                    report.server_id
                ),
                None,
            );
            continue;
        }
        if known.is_some_and(|known| known.incarnation != report.incarnation)
            && let Some(why) = still_counts(view, node)
        {
            draft.hold(what, why, None);
            continue;
        }
        draft.because(
            node,
            format!(
                "reports data directory {} with server_id {}",
                report.incarnation, report.server_id
            ),
        );
        draft.change(Change::NodeRegistered {
            node: node.clone(),
            incarnation: report.incarnation.clone(),
            server_id: report.server_id,
        });
    }
}

/// Another node that has the same directory or `server_id`.
fn taken<'a>(view: &View<'a>, node: &NodeId, report: &AgentReport) -> Option<&'a NodeId> {
    let registered = view.state.nodes.iter().find(|(other, record)| {
        *other != node && (record.incarnation == report.incarnation || record.server_id == report.server_id)
    });
    let reported = || {
        view.spec.nodes.keys().find(|other| {
            *other < node
                && view.fresh(other).is_some_and(|theirs| {
                    theirs.incarnation == report.incarnation || theirs.server_id == report.server_id
                })
        })
    };
    registered.map(|(other, _)| other).or_else(reported)
}

fn still_counts(view: &View<'_>, node: &NodeId) -> Option<String> {
    if view.state.primary.as_ref() == Some(node) {
        return Some(format!("the end of the term of {node}"));
    }
    if view.state.deposed.as_ref() == Some(node) {
        return Some(format!("epoch {} to open: {node} led before it", view.epoch()));
    }
    if view.state.ack_set.contains_key(node) {
        return Some(format!(
            "{node} to leave the ack set: its old directory may hold acknowledged writes"
        ));
    }
    None
}
