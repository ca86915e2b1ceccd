//! The planned handover: precheck, freeze, and the abort that opens the old primary again under the new epoch.

use std::time::Duration;

use quorate_model::{
    Cause, Change, Evidence, GtidSet, IoThread, Moment, NodeId, Observations, Phase, Progress, ServerFacts, State,
};

use super::draft::Draft;
use super::elect::rank;
use super::safe::is_switchover;
use super::view::{View, facts, ms};

/// What the freeze may last longer than the policy's limit before it is aborted: the way of the messages.
const GRACE: Duration = Duration::from_millis(100);
/// A target that misses more transactions is not caught up within a freeze.
const TARGET_MISSING_MAX: u64 = 1_000;

/// Why a switchover was refused, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: String,
    /// What to do next.
    pub hint: String,
}

impl Refused {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            hint: hint.into(),
        }
    }
}

/// Where a switchover stands whose old primary still lives in its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Commits are frozen, or about to be; aborted at `until`.
    Freezing { until: Moment },
    /// Too late: the old primary opens again.
    Abort { why: String },
}

/// Who would take over if a switchover began now. Changes nothing: the operator's dry run, and the check before the real one.
///
/// # Errors
///
/// Says why there would be no handover, and what to do about it.
pub fn switchover_precheck(
    state: &State,
    seen: &Observations,
    now: Moment,
    target: Option<&NodeId>,
) -> Result<NodeId, Refused> {
    let Some(view) = View::new(state, seen, now) else {
        return Err(Refused::new(
            "no cluster is declared yet",
            "wait for the first leader, then try again",
        ));
    };
    precheck(&view, target).cloned()
}

/// As [`switchover_precheck`].
pub(crate) fn precheck<'a>(view: &View<'a>, target: Option<&NodeId>) -> Result<&'a NodeId, Refused> {
    let Some(primary) = view.state.primary.as_ref().filter(|_| view.state.phase == Phase::Open) else {
        return Err(Refused::new(
            format!("epoch {} is not open: a change of primary is under way", view.epoch()),
            "wait until it is open; `explain` says what it waits for",
        ));
    };
    let serving = view
        .fresh(primary)
        .is_some_and(|report| matches!(report.progress, Progress::Serving { epoch } if epoch == view.epoch()));
    if !serving {
        return Err(Refused::new(
            format!("the primary {primary} is not serving: a handover needs its help"),
            "`status` shows its condition; if it is lost, failover comes by itself",
        ));
    }
    if let Some(target) = target {
        let Some((node, spec)) = view.spec.nodes.get_key_value(target) else {
            return Err(Refused::new(
                format!("node `{target}` is not declared"),
                "name one of the nodes that `status` lists",
            ));
        };
        if node == primary {
            return Err(Refused::new(
                format!("{node} is the primary already"),
                "name another node",
            ));
        }
        if spec.priority == 0 {
            return Err(Refused::new(
                format!("{node} has priority 0: it never leads"),
                "raise its priority in the declaration or name another node",
            ));
        }
        return match caught_up(view, primary, node) {
            Ok(_) => Ok(node),
            Err(why) => Err(Refused::new(why, "wait until it has caught up, or name another node")),
        };
    }
    let mut whys = Vec::new();
    let mut fit: Vec<(&NodeId, &ServerFacts)> = Vec::new();
    for node in view.others() {
        match caught_up(view, primary, node) {
            Ok(facts) => fit.push((node, facts)),
            Err(why) => whys.push(why),
        }
    }
    fit.retain(|(node, _)| view.spec.nodes.get(*node).is_some_and(|spec| spec.priority > 0));
    fit.sort_by_key(|(node, facts)| rank(view, node, facts));
    fit.first().map(|(node, _)| *node).ok_or_else(|| {
        Refused::new(
            format!("no replica could take over: {}", whys.join("; ")),
            "bring a replica up and let it catch up first",
        )
    })
}

/// Whether a replica could take over within a freeze.
fn caught_up<'a>(view: &View<'a>, primary: &NodeId, node: &NodeId) -> Result<&'a ServerFacts, String> {
    let Some(report) = view.fresh(node) else {
        return Err(format!("{node} is silent for {}", ms(view.silence(node))));
    };
    let Some(facts) = facts(report) else {
        return Err(format!("the server of {node} does not run"));
    };
    let follows = matches!(&report.progress, Progress::Following { epoch, source }
        if *epoch == view.epoch() && source == primary);
    if !follows || facts.io != IoThread::Yes || !facts.applier {
        return Err(format!("{node} does not replicate from {primary}"));
    }
    if !view.known_directory(report) || !view.errant(facts).is_empty() {
        return Err(format!("{node} is not on the history of {primary}: it needs a rebuild"));
    }
    let position = view.report(primary).and_then(super::view::facts);
    let missing = position.map_or(0, |position| facts.applied.missing(&position.binlog_pos));
    if missing > TARGET_MISSING_MAX {
        return Err(format!("{node} is {missing} transactions behind {primary}"));
    }
    Ok(facts)
}

/// The old primary, if it has been in its role without a break: then it holds everything that it ever acknowledged.
fn in_place<'a>(view: &View<'a>, old: &NodeId) -> Option<&'a ServerFacts> {
    let report = view.fresh(old).filter(|report| view.known_directory(report))?;
    let facts = facts(report)?;
    let term = view.state.timeline.terms().last().filter(|term| term.node == *old)?;
    let in_role = match report.progress {
        Progress::Serving { epoch } | Progress::Ready { epoch, .. } => epoch == term.epoch,
        Progress::Frozen { epoch, .. } => epoch == view.epoch(),
        // A server that was restarted is gated, and semi-sync is off behind the gate.
        Progress::Busy { epoch, .. } | Progress::Stuck { epoch, .. } => {
            epoch >= term.epoch && epoch <= view.epoch() && facts.semi_sync_armed
        }
        Progress::Idle | Progress::Revoked { .. } | Progress::Following { .. } => false,
    };
    in_role.then_some(facts)
}

/// Where the switchover stands; none if this epoch is none, or its old primary does not cooperate (any more): then it is
/// an ordinary failover.
pub(crate) fn stage(view: &View<'_>) -> Option<Stage> {
    let old = view.state.deposed.as_ref()?;
    if view.state.phase != Phase::Revoking || !is_switchover(view) {
        return None;
    }
    in_place(view, old)?;
    let until = view.seen.phase_since.after(view.policy().freeze_limit).after(GRACE);
    let report = view.report(old)?;
    if let Progress::Stuck { epoch, why } = &report.progress
        && *epoch == view.epoch()
    {
        return Some(Stage::Abort {
            why: format!("commits could not be frozen: {why}"),
        });
    }
    if view.now > until {
        return Some(Stage::Abort {
            why: format!(
                "no successor caught up within {}",
                ms(view.policy().freeze_limit.saturating_add(GRACE))
            ),
        });
    }
    Some(Stage::Freezing { until })
}

/// Opens the old primary again, under the new epoch: there is no way back to the old one.
pub(crate) fn abort(view: &View<'_>, why: &str, draft: &mut Draft) {
    let Some(old) = view.state.deposed.as_ref() else {
        return;
    };
    let required = replicated(view, old);
    let said = format!(
        "switchover aborted ({why}): it has led without a break and leads on under epoch {}",
        view.epoch()
    );
    draft.because(old, said.clone());
    draft.change(Change::Elect {
        epoch: view.epoch(),
        candidate: old.clone(),
        required: required.clone(),
        // The old members are not revoked: whoever could acknowledge before still can.
        ack_set: view.state.ack_set.clone(),
        positions: [(old.clone(), required)].into(),
        evidence: vec![Evidence::new(old, said)],
    });
}

/// The furthest position known to be on a member of the ack set. The old primary's own end may lie further, but what only
/// it holds was never acknowledged: to require it would block every later election if it were lost.
fn replicated(view: &View<'_>, old: &NodeId) -> GtidSet {
    let own = view.report(old).and_then(facts).map(|facts| &facts.binlog_pos);
    view.state
        .ack_set
        .keys()
        .filter_map(|member| view.report(member).and_then(facts))
        .map(|facts| &facts.received)
        .filter(|received| own.is_some_and(|own| own.covers(received)))
        .fold(view.state.required.clone(), |furthest, received| {
            if received.covers(&furthest) {
                received.clone()
            } else {
                furthest
            }
        })
}

/// A planned stop of the primary hands over first.
pub(crate) fn on_planned_stop(view: &View<'_>, draft: &mut Draft) {
    let Some(primary) = view.state.primary.as_ref() else {
        return;
    };
    if !view.fresh(primary).is_some_and(|report| report.wants_handover) {
        return;
    }
    let what = format!("handover of {primary}, which is asked to stop");
    if view.state.paused.is_some() {
        draft.hold(what, "resume: the cluster is paused", None);
        return;
    }
    match precheck(view, None) {
        Ok(target) => {
            let why = format!("{primary} is asked to stop; {target} is caught up");
            draft.because(primary, why.clone());
            draft.change(Change::Begin {
                epoch: view.epoch().next(),
                cause: Cause::Switchover {
                    target: None,
                    why: format!("planned stop of {primary}"),
                },
                evidence: vec![Evidence::new(primary, why)],
            });
        }
        Err(refused) => draft.hold(what, refused.why, None),
    }
}
