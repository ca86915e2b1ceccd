//! Was the election safe? Derived again from the agreed state and the reports alone.

use quorate_model::{AgentReport, Cause, Change, DoorState, GtidSet, NodeId, Progress, ServerFacts, ServerState};

use super::changes::report;
use super::{Case, Findings};

pub(super) fn elect(case: &Case<'_>, change: &Change, findings: &mut Findings) {
    let Change::Elect {
        candidate,
        required,
        ack_set,
        ..
    } = change
    else {
        return;
    };
    findings.require(!ack_set.contains_key(candidate), "I3", || {
        format!("{candidate} would acknowledge itself")
    });
    let Some((report, facts)) = report(case, candidate).and_then(|report| Some((report, running(report)?))) else {
        findings.require(false, "I4", || {
            format!("{candidate} is elected and is not known to run")
        });
        return;
    };
    let registered = case.state.nodes.get(candidate).map(|node| &node.incarnation);
    findings.require(registered == Some(&report.incarnation), "I4", || {
        format!("{candidate} is elected with a data directory that is not registered")
    });
    if let Some(acknowledged) = leads_on(case, candidate, report, facts) {
        let kept = case
            .state
            .ack_set
            .iter()
            .all(|(node, incarnation)| ack_set.get(node) == Some(incarnation));
        findings.require(kept, "I3", || {
            format!("{candidate} leads on, but who could acknowledge it before would be forgotten")
        });
        findings.require(
            required.covers(&case.state.required) && required.covers(acknowledged),
            "I14",
            || format!("{candidate} would be asked for {required}, less than it may have acknowledged"),
        );
        return;
    }
    findings.require(
        facts.received.covers(&case.state.required) && facts.received.covers(required),
        "I14",
        || format!("{candidate} does not hold what is required of the epoch"),
    );
    findings.require(required.covers(&facts.received), "I12", || {
        format!("{candidate} holds more than its term would begin with: that would become errant")
    });
    findings.require(case.state.timeline.errant(&facts.binlog_state).is_empty(), "I5", || {
        format!("{candidate} has diverged")
    });
    let safe = ack_set_revoked(case, candidate, report, facts)
        || old_primary_dead(case, report, facts)
        || old_primary_frozen(case, candidate, facts)
        || nobody_wrote(case, report);
    findings.require(safe, "I4", || {
        format!("nothing proves that {candidate} holds every acknowledged write")
    });
}

fn running(report: &AgentReport) -> Option<&ServerFacts> {
    match &report.server {
        ServerState::Running { facts, .. } => Some(facts),
        ServerState::Down { .. } | ServerState::Starting => None,
    }
}

fn is_revoked(case: &Case<'_>, report: &AgentReport) -> bool {
    report.promised == case.state.epoch
        && report.progress
            == (Progress::Revoked {
                epoch: case.state.epoch,
            })
}

/// All of the old ack set promised, received nothing more, lost nothing, and has no more than the candidate.
fn ack_set_revoked(case: &Case<'_>, candidate: &NodeId, own: &AgentReport, facts: &ServerFacts) -> bool {
    let members = &case.state.ack_set;
    let every = members.iter().all(|(node, incarnation)| {
        report(case, node).is_some_and(|report| {
            is_revoked(case, report)
                && report.incarnation == *incarnation
                && report.vouch
                && running(report).is_some_and(|theirs| {
                    let strayed = !case.state.timeline.errant(&theirs.received).is_empty();
                    strayed || facts.received.covers(&theirs.received)
                })
        })
    });
    // A frozen handover may elect one that still follows; here it must be revoked itself.
    !members.is_empty() && every && (is_revoked(case, own) || members.contains_key(candidate))
}

fn old_primary_dead(case: &Case<'_>, own: &AgentReport, facts: &ServerFacts) -> bool {
    let Some(old) = case.state.deposed.as_ref().and_then(|old| report(case, old)) else {
        return false;
    };
    let gone = match &old.server {
        ServerState::Down { .. } => old.promised == case.state.epoch,
        ServerState::Starting | ServerState::Running { .. } => is_revoked(case, old),
    };
    let same = case
        .state
        .nodes
        .get(&old.node)
        .is_some_and(|record| record.incarnation == old.incarnation);
    let whole = old
        .final_binlog
        .as_ref()
        .is_some_and(|end| facts.received.covers(end) && end.covers(&case.state.required));
    gone && same && whole && is_revoked(case, own)
}

fn old_primary_frozen(case: &Case<'_>, candidate: &NodeId, facts: &ServerFacts) -> bool {
    let planned = case
        .state
        .operation
        .as_ref()
        .is_some_and(|operation| matches!(operation.cause, Cause::Switchover { .. }));
    let position: Option<&GtidSet> = case
        .state
        .deposed
        .as_ref()
        .filter(|old| *old != candidate)
        .and_then(|old| {
            let report = report(case, old)?;
            match &report.progress {
                Progress::Frozen { epoch, position } if *epoch == case.state.epoch && report.promised == *epoch => {
                    Some(position)
                }
                _ => None,
            }
        });
    planned && position.is_some_and(|position| facts.received.covers(position))
}

fn nobody_wrote(case: &Case<'_>, own: &AgentReport) -> bool {
    let first = case.state.timeline.terms().is_empty() && case.state.ack_set.is_empty();
    let touched = case
        .state
        .spec
        .iter()
        .flat_map(|spec| spec.nodes.keys())
        .filter_map(|node| report(case, node))
        .any(|report| running(report).is_some() && !report.pristine);
    first && own.pristine && !touched
}

/// The old primary of an aborted handover, in its role without a break: what bounds everything that it acknowledged.
fn leads_on<'a>(
    case: &Case<'_>,
    candidate: &NodeId,
    report: &'a AgentReport,
    facts: &'a ServerFacts,
) -> Option<&'a GtidSet> {
    let planned = case
        .state
        .operation
        .as_ref()
        .is_some_and(|operation| matches!(operation.cause, Cause::Switchover { .. }));
    if !planned || case.state.deposed.as_ref() != Some(candidate) || report.promised != case.state.epoch {
        return None;
    }
    match &report.progress {
        Progress::Frozen { epoch, position } if *epoch == case.state.epoch => Some(position),
        Progress::Stuck { epoch, .. } if *epoch == case.state.epoch => {
            let shut = !matches!(report.door, DoorState::Open { .. });
            let elsewhere = case.state.ack_set.keys().any(|member| {
                self::report(case, member)
                    .and_then(running)
                    .is_some_and(|theirs| theirs.received.covers(&facts.binlog_pos))
            });
            (facts.semi_sync_armed && shut && elsewhere).then_some(&facts.binlog_pos)
        }
        _ => None,
    }
}
