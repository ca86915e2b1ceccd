//! Who leads: the best of those for whom [`super::safe`] holds.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::{AgentReport, Cause, Change, Evidence, GtidSet, Incarnation, NodeId, Progress, ServerFacts};

use super::draft::Draft;
use super::safe::{Ground, Kind, grounds, safe};
use super::view::{View, extent, facts, revoked};

/// The first election waits this long for all declared nodes, so that the preferred one is there.
const FIRST_WAIT: Duration = Duration::from_secs(2);

struct Candidate<'a> {
    node: &'a NodeId,
    facts: &'a ServerFacts,
    ground: &'a Ground,
}

/// Elects if it is safe, else says what is missing.
pub(crate) fn elect(view: &View<'_>, draft: &mut Draft) {
    let grounds = grounds(view);
    let mut unfit = Vec::new();
    let mut candidates = Vec::new();
    for node in view.spec.nodes.keys().filter(|node| wanted(view, node)) {
        let mut why = None;
        let found = grounds
            .holding
            .iter()
            .find_map(|ground| match safe(view, node, ground) {
                Ok(facts) => Some(Candidate { node, facts, ground }),
                Err(reason) => {
                    why.get_or_insert(reason);
                    None
                }
            });
        match (found, why) {
            (Some(candidate), _) => candidates.push(candidate),
            (None, Some(reason)) => unfit.push(reason),
            (None, None) => {}
        }
    }
    candidates.sort_by_key(|candidate| rank(view, candidate.node, candidate.facts));
    let Some(best) = candidates.first() else {
        let waiting = if grounds.holding.is_empty() {
            grounds.missing
        } else {
            unfit
        };
        draft.hold(format!("election in epoch {}", view.epoch()), waiting.join("; "), None);
        return;
    };
    if first_waits(view, best, &candidates, draft) {
        return;
    }
    let ack_set = next_ack_set(view, best);
    if ack_set.is_empty() && !view.degrades() {
        draft.hold(
            format!("election of {} in epoch {}", best.node, view.epoch()),
            "another node on the same history, revoked, that can acknowledge its writes",
            None,
        );
        return;
    }
    propose(view, best, ack_set, draft);
}

/// A switchover that names its target elects nobody else while its primary stands frozen.
fn wanted(view: &View<'_>, node: &NodeId) -> bool {
    let frozen = || {
        view.state
            .deposed
            .as_ref()
            .and_then(|old| view.fresh(old))
            .is_some_and(|report| matches!(report.progress, Progress::Frozen { .. }))
    };
    match view.state.operation.as_ref().map(|operation| &operation.cause) {
        Some(Cause::Switchover {
            target: Some(target), ..
        }) if frozen() => node == target,
        _ => true,
    }
}

/// Order of preference: most received, least to apply, not the one that just failed or wants to go, priority, name.
pub(crate) fn rank<'a>(view: &View<'_>, node: &'a NodeId, facts: &ServerFacts) -> impl Ord + use<'a> {
    let leaving = view.report(node).is_some_and(|report| report.wants_handover);
    let priority = view.spec.nodes.get(node).map(|spec| spec.priority).unwrap_or_default();
    (
        Reverse(extent(&facts.received)),
        facts.applied.missing(&facts.received),
        Some(node) == view.state.deposed.as_ref(),
        leaving,
        Reverse(priority),
        node,
    )
}

/// Whether the first election still waits for a node.
fn first_waits(view: &View<'_>, best: &Candidate<'_>, candidates: &[Candidate<'_>], draft: &mut Draft) -> bool {
    let waits = best.ground.kind == Kind::Pristine
        && candidates.len() < view.spec.nodes.values().filter(|spec| spec.priority > 0).count()
        && view.in_phase() < FIRST_WAIT;
    if waits {
        draft.hold(
            format!("first election: {} could lead", best.node),
            "every declared node, so that the preferred one leads",
            Some(view.seen.phase_since.after(FIRST_WAIT)),
        );
    }
    waits
}

/// Who may acknowledge the new primary: everyone who is there and on the same history. One that is still on its way does
/// not count, since it may turn out to hold more, and a term that began without it would make that errant.
fn next_ack_set(view: &View<'_>, best: &Candidate<'_>) -> BTreeMap<NodeId, Incarnation> {
    let on_history = |facts: &ServerFacts| view.errant(facts).is_empty() && best.facts.received.covers(&facts.received);
    let frozen = best.ground.kind == Kind::Frozen;
    let ready = |report: &AgentReport| {
        let in_place = revoked(report, view.epoch())
            || (frozen && matches!(report.progress, Progress::Following { .. }) && report.vouch);
        in_place && facts(report).is_some_and(on_history)
    };
    let others = || {
        view.spec
            .nodes
            .keys()
            .filter(|node| *node != best.node)
            .filter_map(|node| view.fresh(node))
            .filter(|report| view.known_directory(report))
    };
    let members = |reports: Vec<&AgentReport>| {
        let member = |report: &AgentReport| (report.node.clone(), report.incarnation.clone());
        reports.into_iter().map(member).collect::<BTreeMap<_, _>>()
    };
    let found = members(others().filter(|report| ready(report)).collect());
    if found.is_empty() && frozen {
        // Of two nodes: the old primary itself, which stands frozen with nothing that its successor lacks.
        return members(
            others()
                .filter(|report| Some(&report.node) == view.state.deposed.as_ref())
                .collect(),
        );
    }
    found
}

fn propose(view: &View<'_>, best: &Candidate<'_>, ack_set: BTreeMap<NodeId, Incarnation>, draft: &mut Draft) {
    let required = best.facts.received.clone();
    let backlog = best.facts.applied.missing(&required);
    let names: Vec<&str> = ack_set.keys().map(NodeId::as_str).collect();
    let chosen = format!(
        "holds {required}, {backlog} transactions to apply; safe because {}; ack set {{{}}}",
        words(best.ground),
        names.join(", ")
    );
    let mut evidence = best.ground.evidence.clone();
    evidence.push(Evidence::new(best.node, chosen.clone()));
    let mut positions: BTreeMap<NodeId, GtidSet> = best.ground.floors.iter().cloned().collect();
    positions.insert(best.node.clone(), required.clone());
    draft.because(best.node, format!("elected: {chosen}"));
    draft.change(Change::Elect {
        epoch: view.epoch(),
        candidate: best.node.clone(),
        required,
        ack_set,
        positions,
        evidence,
    });
}

const fn words(ground: &Ground) -> &'static str {
    match ground.kind {
        Kind::Revoked => {
            "every member of the ack set is revoked and vouches, and it has received no less than any of them"
        }
        Kind::Dead => "the old primary is dead and it has received the whole binlog of it",
        Kind::Frozen => "the old primary stands frozen and it has received everything up to there",
        Kind::Pristine => "nobody has written anything yet",
    }
}
