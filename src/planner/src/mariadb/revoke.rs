//! Orders while an epoch is being decided: everybody becomes harmless and silent, then says where it stands.

use std::collections::BTreeSet;

use quorate_model::{NodeId, Task};

use super::draft::Draft;
use super::switchover::{self, Stage};
use super::view::{View, revoked};

/// Revokes everybody, except in a switchover whose old primary cooperates.
pub(crate) fn orders(view: &View<'_>, draft: &mut Draft) {
    match switchover::stage(view) {
        Some(Stage::Freezing { until }) => {
            if let Some(old) = view.state.deposed.as_ref() {
                let limit = view.policy().freeze_limit;
                draft.order(
                    old,
                    Task::Freeze { limit },
                    "handover: commits stop until the successor has caught up",
                );
                draft.hold(
                    format!("abort of the switchover from {old}"),
                    "the freeze and a successor that has caught up",
                    Some(until),
                );
            }
        }
        Some(Stage::Aborting { until }) => draft.hold(
            "abort of the switchover",
            "a member of the ack set to receive everything that the old primary wrote",
            Some(until),
        ),
        // The election in place follows at once; the frozen one shall neither freeze again nor be killed.
        Some(Stage::Abort { .. }) => {}
        None => revoke_all(view, draft),
    }
}

fn revoke_all(view: &View<'_>, draft: &mut Draft) {
    let everybody: BTreeSet<&NodeId> = view
        .spec
        .nodes
        .keys()
        .chain(view.state.ack_set.keys())
        .chain(view.state.deposed.as_ref())
        .collect();
    for node in everybody {
        let Some(report) = view.report(node) else {
            draft.hold(
                format!("revocation of {node}"),
                "its agent, which was not heard of yet",
                None,
            );
            continue;
        };
        let why = if revoked(report, view.epoch()) {
            format!("is revoked for epoch {}", view.epoch())
        } else if view.state.deposed.as_ref() == Some(node) {
            format!("led before: must be killed and gated for epoch {}", view.epoch())
        } else {
            format!(
                "must receive nothing under epochs below {} and say where it stands",
                view.epoch()
            )
        };
        draft.order(node, Task::Revoke, why);
    }
}
