//! From elected to open: promote, prove the ack set by the epoch row, fence the readers of the old primary, open.

use std::time::Duration;

use quorate_model::{Change, Evidence, Moment, NodeId, OperationId, Phase, Progress, ReadFence, RouterId, Task};

use super::draft::Draft;
use super::view::{View, ms};

/// The order for the elected node.
pub(crate) fn promote(view: &View<'_>, draft: &mut Draft) {
    let Some(primary) = view.state.primary.as_ref() else {
        return;
    };
    let operation = view.state.operation.as_ref().map_or_else(
        || OperationId::new(format!("epoch-{}", view.epoch())),
        |operation| operation.id.clone(),
    );
    let task = Task::Promote {
        operation,
        ack_set: view.state.ack_set.keys().cloned().collect(),
        required: view.state.required.clone(),
    };
    draft.order(
        primary,
        task,
        format!(
            "elected for epoch {}: applies what it received, arms, writes the epoch row",
            view.epoch()
        ),
    );
}

/// Opens the epoch once its first transaction is acknowledged and no reader of the old primary is left.
pub(crate) fn open(view: &View<'_>, draft: &mut Draft) {
    let Some(primary) = view
        .state
        .primary
        .as_ref()
        .filter(|_| view.state.phase == Phase::Elected)
    else {
        return;
    };
    let what = format!("opening of epoch {} on {primary}", view.epoch());
    let progress = view.report(primary).map(|report| &report.progress);
    let Some(Progress::Ready { epoch, barrier }) = progress else {
        let doing = match progress {
            Some(Progress::Busy { doing, .. }) => format!(": {doing}"),
            Some(Progress::Stuck { why, .. }) => format!(", which is stuck: {why}"),
            _ => String::new(),
        };
        draft.hold(what, format!("the acknowledged epoch row of {primary}{doing}"), None);
        return;
    };
    if *epoch != view.epoch() {
        draft.hold(what, format!("the epoch row of epoch {}", view.epoch()), None);
        return;
    }
    match read_fence(view, primary) {
        Ok(fence) => {
            let row = Evidence::new(primary, format!("epoch row {barrier} is acknowledged"));
            draft.because(
                primary,
                format!(
                    "ready: epoch row {barrier} is acknowledged; reads are fenced: {}",
                    fence.fact
                ),
            );
            draft.change(Change::Open {
                epoch: view.epoch(),
                barrier: *barrier,
                evidence: vec![row, fence],
            });
        }
        Err((waiting, until)) => draft.hold(what, waiting, Some(until)),
    }
}

/// Why no routed read of the old primary is possible any more, or what that waits for and until when at most.
fn read_fence(view: &View<'_>, primary: &NodeId) -> Result<Evidence, (String, Moment)> {
    let Some(old) = view.state.deposed.as_ref() else {
        return Ok(Evidence::new("planner", "nobody led before"));
    };
    if old == primary {
        return Ok(Evidence::new(old, "it leads on: there is no other old primary"));
    }
    if view.policy().read_fence == ReadFence::Bounded {
        return Ok(Evidence::new(
            "planner",
            "by declared policy readers of the old primary are not waited for",
        ));
    }
    if let Some(report) = view.report(old)
        && report.fenced >= view.epoch()
        && report.promised >= view.epoch()
    {
        return Ok(Evidence::new(old, format!("harmless under epoch {}", report.fenced)));
    }
    let unconfirmed = unconfirmed(view);
    if unconfirmed.is_empty() {
        return Ok(Evidence::new(
            "routers",
            format!("no connection of an epoch below {} is left", view.epoch()),
        ));
    }
    let granted = view
        .seen
        .last_grant
        .map_or(view.seen.leader_since, |(_, at)| at.max(view.seen.leader_since));
    let until = granted.after(view.policy().lease_wait());
    if view.now >= until {
        return Ok(Evidence::new(
            &view.seen.observer,
            format!(
                "every lease of the old primary has ended: none was granted for {}",
                ms(view.now.since(granted))
            ),
        ));
    }
    let names: Vec<&str> = unconfirmed.iter().map(|router| router.as_str()).collect();
    Err((
        format!(
            "the word of {old} that it serves nobody, that of router {}, or the end of the lease",
            names.join(", ")
        ),
        until,
    ))
}

/// Routers that may still have connections of a lower epoch. One that is heard of counts even if it is not admitted: its
/// removal may have crossed its return.
fn unconfirmed<'a>(view: &View<'a>) -> Vec<&'a RouterId> {
    let recent = |at: Moment| view.now.since(at) <= view.policy().router_patience.max(Duration::from_secs(1));
    let heard = view
        .seen
        .routers
        .iter()
        .filter(|(router, seen)| recent(seen.at) && !view.state.routers.contains(*router))
        .map(|(router, _)| router);
    view.state
        .routers
        .iter()
        .chain(heard)
        .filter(|router| {
            view.seen
                .routers
                .get(*router)
                .is_none_or(|seen| seen.value.confirmed < view.epoch())
        })
        .collect()
}
