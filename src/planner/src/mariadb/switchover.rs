//! The planned handover: precheck, freeze, and the abort that opens the old primary again under the new epoch.

use std::time::Duration;

use quorate_model::{
    AgentReport, Cause, Change, DoorState, Evidence, GtidSet, IoThread, Moment, NodeId, Observations, Phase, Progress,
    ServerFacts, ServerState, State,
};

use super::draft::Draft;
use super::elect::rank;
use super::safe::is_switchover;
use super::view::{View, facts, ms};

/// What the freeze may last longer than the policy's limit before it is aborted: the way of the messages.
const GRACE: Duration = Duration::from_millis(100);
/// An old primary that neither froze nor can be opened again is killed after so much longer.
const GIVE_UP: Duration = Duration::from_secs(1);
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
    /// Commits could not be frozen; the old primary opens again as soon as what it acknowledged is bounded.
    Aborting { until: Moment },
    /// The old primary opens again: everything that it ever acknowledged is at or before `bound`.
    Abort { bound: GtidSet, why: String },
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

/// The old primary, if it has been in its role without a break and still cooperates.
fn in_role<'a>(view: &View<'a>, old: &NodeId) -> Option<&'a AgentReport> {
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
    in_role.then_some(report)
}

/// Where the switchover stands; none if this epoch is none, or its old primary does not cooperate (any more): then it is
/// an ordinary failover.
pub(crate) fn stage(view: &View<'_>) -> Option<Stage> {
    let old = view.state.deposed.as_ref()?;
    if view.state.phase != Phase::Revoking || !is_switchover(view) {
        return None;
    }
    let report = in_role(view, old)?;
    let until = view.seen.phase_since.after(view.policy().freeze_limit).after(GRACE);
    let give_up = until.after(GIVE_UP);
    match &report.progress {
        Progress::Frozen { position, .. } if view.now > until => Some(Stage::Abort {
            bound: position.clone(),
            why: format!(
                "no successor caught up within {}",
                ms(view.now.since(view.seen.phase_since))
            ),
        }),
        Progress::Frozen { .. } => Some(Stage::Freezing { until }),
        _ if view.now > give_up => None,
        Progress::Stuck { epoch, why } if *epoch == view.epoch() => Some(match unfrozen_bound(view, report) {
            Some(bound) => Stage::Abort {
                bound,
                why: format!("commits could not be frozen: {why}"),
            },
            None => Stage::Aborting { until: give_up },
        }),
        _ => Some(Stage::Freezing { until: give_up }),
    }
}

/// What bounds everything that an unfrozen old primary acknowledged: its clients are out, so the end of its binlog does; once
/// a member of the ack set has all of it, to require it blocks nobody.
fn unfrozen_bound(view: &View<'_>, report: &AgentReport) -> Option<GtidSet> {
    let ServerState::Running { facts, age } = &report.server else {
        return None;
    };
    let clients_out = report.promised >= view.epoch() && !matches!(report.door, DoorState::Open { .. });
    let read_since = view.in_phase() >= view.policy().freeze_limit && *age <= view.policy().freeze_limit / 2;
    let replicated = view.state.ack_set.keys().any(|member| {
        view.report(member)
            .and_then(super::view::facts)
            .is_some_and(|theirs| theirs.received.covers(&facts.binlog_pos))
    });
    (clients_out && read_since && replicated && facts.binlog_pos.covers(&view.state.required))
        .then(|| facts.binlog_pos.clone())
}

/// Opens the old primary again, under the new epoch: there is no way back to the old one. It must hold `bound`, so that a
/// restart that nobody saw cannot slip in between.
pub(crate) fn abort(view: &View<'_>, bound: GtidSet, why: &str, draft: &mut Draft) {
    let Some(old) = view.state.deposed.as_ref() else {
        return;
    };
    let said = format!(
        "switchover aborted ({why}): it leads on under epoch {} with everything up to {bound}",
        view.epoch()
    );
    draft.because(old, said.clone());
    draft.change(Change::Elect {
        epoch: view.epoch(),
        candidate: old.clone(),
        required: bound.clone(),
        // The old members are not revoked: whoever could acknowledge before still can.
        ack_set: view.state.ack_set.clone(),
        positions: [(old.clone(), bound)].into(),
        evidence: vec![Evidence::new(old, said)],
    });
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
        // Handed over to one that is stopping too, the role would only wander.
        Ok(target) if view.report(target).is_some_and(|report| report.wants_handover) => {
            draft.hold(what, "a successor that is not asked to stop itself", None);
        }
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
