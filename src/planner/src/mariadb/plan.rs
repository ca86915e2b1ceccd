//! The plan: which concerns speak in which phase, in which order.

use std::collections::BTreeMap;

use quorate_model::{Change, Forecast, Moment, NodeId, Observations, Phase, Plan, State, Task};

use super::draft::Draft;
use super::switchover::{self, Stage};
use super::view::View;
use super::{
    ackset, begin, elect, forecast, forming, open, register, rejoin, revoke, routers, routes, suspect, verdict,
};

/// What shall be committed and done now, and why; pure (invariant I20).
#[must_use]
pub fn plan(state: &State, seen: &Observations, now: Moment) -> Plan {
    let mut draft = Draft::new(state);
    let Some(view) = View::new(state, seen, now) else {
        draft.hold(
            "everything",
            "the declaration of the cluster, which the first leader commits",
            None,
        );
        return Plan {
            changes: draft.changes,
            orders: draft.orders,
            routes: None,
            lease: None,
            reasons: draft.reasons,
            held_back: draft.held_back,
            nodes: BTreeMap::new(),
            forecast: Forecast::default(),
        };
    };
    let lost_memory = lost_memory(&view, &mut draft);
    if !lost_memory {
        decide(&view, &mut draft);
    }
    let lease = state
        .primary
        .clone()
        .filter(|_| state.phase == Phase::Open && !lost_memory)
        .map(|primary| (primary, state.epoch));
    Plan {
        changes: draft.changes,
        orders: draft.orders,
        routes: (!lost_memory).then(|| routes::table(&view)),
        lease,
        reasons: draft.reasons,
        held_back: draft.held_back,
        nodes: verdict::verdicts(&view),
        forecast: forecast::forecast(&view),
    }
}

/// Agents that have promised more than was ever agreed here prove that this log is not the latest: nothing it says is safe.
fn lost_memory(view: &View<'_>, draft: &mut Draft) -> bool {
    let ours = |node: &NodeId| {
        view.spec.nodes.contains_key(node)
            || view.state.ack_set.contains_key(node)
            || view.state.deposed.as_ref() == Some(node)
    };
    let ahead = view
        .seen
        .agents
        .values()
        .map(|seen| &seen.value)
        .filter(|report| ours(&report.node))
        .filter(|report| report.promised > view.epoch())
        .max_by_key(|report| report.promised);
    let Some(report) = ahead else {
        return false;
    };
    draft.hold(
        "everything",
        format!(
            "the log to reach epoch {}, which {} has promised, beyond the agreed epoch {}; if it stays so, these supervisors \
             were restored from an old state: restore the latest Raft logs",
            report.promised,
            report.node,
            view.epoch()
        ),
        None,
    );
    true
}

fn decide(view: &View<'_>, draft: &mut Draft) {
    register::register(view, draft);
    routers::adjust(view, draft);
    match view.state.phase {
        Phase::Forming => forming::form(view, draft),
        Phase::Revoking => {
            revoke::orders(view, draft);
            elect::elect(view, draft);
            let elected = draft
                .changes
                .iter()
                .any(|change| matches!(change, Change::Elect { .. }));
            if let Some(Stage::Abort { bound, why }) = switchover::stage(view)
                && !elected
            {
                switchover::abort(view, bound, &why, draft);
            }
        }
        Phase::Elected => {
            open::promote(view, draft);
            rejoin::orders(view, draft);
            match suspect::candidate(view) {
                Some(suspicion) => begin::begin(view, suspicion, draft),
                None => open::open(view, draft),
            }
            alone(view, draft);
        }
        Phase::Open => {
            serve(view, draft);
            rejoin::orders(view, draft);
            match suspect::primary(view, draft) {
                Some(suspicion) => begin::begin(view, suspicion, draft),
                None => switchover::on_planned_stop(view, draft),
            }
            alone(view, draft);
        }
    }
}

/// The ack set changes only in a plan that does not move the epoch.
fn alone(view: &View<'_>, draft: &mut Draft) {
    let moves = draft
        .changes
        .iter()
        .any(|change| matches!(change, Change::Begin { .. } | Change::Open { .. }));
    if !moves {
        ackset::adjust(view, draft);
    }
}

fn serve(view: &View<'_>, draft: &mut Draft) {
    if let Some(primary) = view.state.primary.as_ref() {
        let task = Task::Serve {
            ack_set: ackset::wanted(view),
            routers: routers::wanted(view),
        };
        draft.order(primary, task, format!("leads the open epoch {}", view.epoch()));
    }
}
