//! Whether the term of a primary is over. Proof of death at once; silence only with a second witness and the replicas'
//! word; never for overload: while replicas still receive, the primary lives.

use std::time::Duration;

use quorate_model::{AgentReport, Cause, Evidence, NodeId, Progress, ServerState};

use super::draft::Draft;
use super::view::{View, facts, ms};

/// A candidate that cannot get ready for so long is given up if there is another.
const STUCK_MAX: Duration = Duration::from_secs(5);

/// Commits that are stuck for so many times the limit, with everything received by all who may acknowledge, wait for an
/// acknowledgement that was lost; no replica says it again.
const UNACKNOWLEDGED_TIMES: u32 = 5;

/// What is wrong with a primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspicion {
    pub(crate) cause: Cause,
    pub(crate) evidence: Vec<Evidence>,
    /// The server is known to have ended: no budget and no successor are asked for.
    pub(crate) proven: bool,
}

impl Suspicion {
    fn new(cause: Cause, evidence: Vec<Evidence>) -> Self {
        let proven = false;
        Self {
            cause,
            evidence,
            proven,
        }
    }
}

/// Looks at the primary of an open epoch.
pub(crate) fn primary(view: &View<'_>, draft: &mut Draft) -> Option<Suspicion> {
    let primary = view.state.primary.as_ref()?;
    if let Some(report) = view.fresh(primary)
        && let Some(fact) = ended(view, report)
    {
        return Some(Suspicion {
            cause: Cause::PrimaryDown,
            evidence: vec![Evidence::new(primary, fact)],
            proven: true,
        });
    }
    reset(view, primary)
        .or_else(|| silent(view, primary, draft))
        .map(|evidence| Suspicion::new(Cause::PrimarySilent, evidence))
        .or_else(|| cut_off(view, primary))
        .or_else(|| disk(view, primary))
}

/// Looks at the candidate of an elected epoch. Whatever happened, it never opened.
pub(crate) fn candidate(view: &View<'_>) -> Option<Suspicion> {
    let candidate = view.state.primary.as_ref()?;
    let Some(report) = view.fresh(candidate) else {
        let threshold = view.threshold(candidate);
        let evidence = reset(view, candidate).or_else(|| {
            let (voter, silence) = view.second_witness(candidate, threshold)?;
            Some(vec![
                here(view, candidate, threshold),
                there(&voter.voter, candidate, silence),
            ])
        })?;
        return Some(Suspicion::new(Cause::CandidateLost, evidence));
    };
    let gone = match &report.server {
        ServerState::Down { exit } => Some(down(exit.as_ref())),
        ServerState::Starting => Some("its server was restarted".to_owned()),
        ServerState::Running { .. } if !view.known_directory(report) => {
            Some("its data directory was replaced".to_owned())
        }
        ServerState::Running { .. } => None,
    };
    if let Some(fact) = gone {
        return Some(Suspicion {
            cause: Cause::CandidateLost,
            evidence: vec![Evidence::new(candidate, fact)],
            proven: true,
        });
    }
    match &report.progress {
        Progress::Stuck { epoch, why } if *epoch == view.epoch() && view.in_phase() > STUCK_MAX => {
            Some(Suspicion::new(
                Cause::CandidateLost,
                vec![Evidence::new(
                    candidate,
                    format!("not ready after {}: {why}", ms(view.in_phase())),
                )],
            ))
        }
        _ => reset(view, candidate).map(|evidence| Suspicion::new(Cause::CandidateLost, evidence)),
    }
}

/// Why the term of this primary is known to be over, by its own agent's word.
fn ended(view: &View<'_>, report: &AgentReport) -> Option<String> {
    match &report.server {
        ServerState::Down { exit } => return Some(down(exit.as_ref())),
        ServerState::Starting => return Some("its server was restarted".to_owned()),
        ServerState::Running { .. } => {}
    }
    if !view.known_directory(report) {
        return Some(format!("its data directory was replaced by {}", report.incarnation));
    }
    match &report.progress {
        Progress::Idle => Some("its agent was restarted, and the server with it".to_owned()),
        Progress::Revoked { epoch } => Some(format!("its server was restarted behind the gate (epoch {epoch})")),
        Progress::Following { source, .. } => Some(format!("it replicates from {source}")),
        Progress::Busy { .. } | Progress::Stuck { .. } if facts(report).is_some_and(|facts| !facts.semi_sync_armed) => {
            Some("its server is not armed any more: it was restarted behind the gate".to_owned())
        }
        Progress::Busy { .. }
        | Progress::Stuck { .. }
        | Progress::Frozen { .. }
        | Progress::Ready { .. }
        | Progress::Serving { .. } => None,
    }
}

fn down(exit: Option<&String>) -> String {
    exit.map_or_else(
        || "its server is not running".to_owned(),
        |exit| format!("its server ended: {exit}"),
    )
}

/// The link broke here, and someone else misses it too: the agent died, and its server with it.
fn reset(view: &View<'_>, node: &NodeId) -> Option<Vec<Evidence>> {
    let link = view.seen.links.get(node).filter(|link| !link.connected && link.reset)?;
    let mut evidence = vec![Evidence::new(
        &view.seen.observer,
        format!("the link to {node} broke {} ago", ms(view.now.since(link.since))),
    )];
    let since = |replica: &&NodeId| view.seen.agents.get(*replica).is_some_and(|seen| seen.at >= link.since);
    let heard: Vec<&NodeId> = view.others().filter(since).collect();
    let without: Vec<&NodeId> = heard
        .iter()
        .filter(|replica| view.stream_silence(replica).is_none())
        .copied()
        .collect();
    if !heard.is_empty() && without.len() * 2 > heard.len() {
        let fact = format!("its stream from {node} ended");
        evidence.extend(without.into_iter().map(|replica| Evidence::new(replica, fact.clone())));
        return Some(evidence);
    }
    if without.len() < heard.len() {
        // A replica says, after the break, that it is still fed: the agent lives.
        return None;
    }
    let voter = view.voters().find(|voter| voter.disconnected.contains(node))?;
    evidence.push(Evidence::new(&voter.voter, format!("its link to {node} is down")));
    Some(evidence)
}

/// Missed here and by another voter, and the replicas agree or the commit path was stuck before.
fn silent(view: &View<'_>, primary: &NodeId, draft: &mut Draft) -> Option<Vec<Evidence>> {
    let threshold = view.threshold(primary);
    if view.silence(primary) <= threshold {
        return None;
    }
    let what = format!("failover from {primary}, silent for {}", ms(view.silence(primary)));
    let Some((voter, silence)) = view.second_witness(primary, threshold) else {
        draft.hold(what, "another voter that misses it too", None);
        return None;
    };
    let mut evidence = vec![here(view, primary, threshold), there(&voter.voter, primary, silence)];
    let replicas: Vec<&NodeId> = view.others().filter(|node| view.fresh(node).is_some()).collect();
    let cut: Vec<&NodeId> = replicas
        .iter()
        .filter(|node| view.stream_silence(node).is_none_or(|silence| silence > threshold / 2))
        .copied()
        .collect();
    if cut.len() * 2 > replicas.len() {
        evidence.extend(cut.into_iter().map(|node| {
            let fact = view.stream_silence(node).map_or_else(
                || format!("no stream from {primary}"),
                |silence| format!("nothing from {primary} for {}", ms(silence)),
            );
            Evidence::new(node, fact)
        }));
        return Some(evidence);
    }
    let stuck = view
        .report(primary)
        .map(|report| report.probes.commit_stuck)
        .unwrap_or_default();
    if stuck >= view.policy().stuck_commit {
        evidence.push(Evidence::new(
            primary,
            format!("when last heard, commits had been stuck for {}", ms(stuck)),
        ));
        return Some(evidence);
    }
    let waiting = if replicas.is_empty() {
        "a replica to be heard of"
    } else {
        "a majority of replicas that miss it too: they still receive from it"
    };
    draft.hold(what, waiting, None);
    None
}

fn here(view: &View<'_>, node: &NodeId, threshold: Duration) -> Evidence {
    Evidence::new(
        &view.seen.observer,
        format!(
            "nothing from {node} for {} (threshold {})",
            ms(view.silence(node)),
            ms(threshold)
        ),
    )
}

fn there(voter: &quorate_model::SupervisorId, node: &NodeId, silence: Option<Duration>) -> Evidence {
    let fact = silence.map_or_else(
        || format!("never heard of {node}"),
        |silence| format!("nothing from {node} for {}", ms(silence)),
    );
    Evidence::new(voter, fact)
}

/// The primary is heard, but its commits hang, and no member of the ack set has got anything for as long. While one still
/// gets something, a big transaction above all, it is slow and not cut.
fn cut_off(view: &View<'_>, primary: &NodeId) -> Option<Suspicion> {
    let report = view.fresh(primary)?;
    let stuck = report.probes.commit_stuck;
    if stuck < view.policy().stuck_commit || view.state.ack_set.is_empty() {
        return None;
    }
    let members = || view.state.ack_set.keys();
    let severed: Option<Vec<Evidence>> = members()
        .map(|node| Some(Evidence::new(node, severed(view, primary, node)?)))
        .collect();
    let members = severed.or_else(|| {
        if stuck < view.policy().stuck_commit.saturating_mul(UNACKNOWLEDGED_TIMES) {
            return None;
        }
        let end = facts(report).filter(|facts| facts.waiting_commits > 0)?;
        members()
            .map(|node| {
                let theirs = view.fresh(node).and_then(facts)?;
                let holds = theirs.received.covers(&end.binlog_pos);
                holds.then(|| Evidence::new(node, "has received everything, and no acknowledgement arrived"))
            })
            .collect()
    })?;
    let mut evidence = vec![Evidence::new(primary, format!("commits stuck for {}", ms(stuck)))];
    evidence.extend(members);
    Some(Suspicion::new(Cause::ReplicationCut, evidence))
}

/// What says that nothing has come from the primary to a member for as long as commits may be stuck.
fn severed(view: &View<'_>, primary: &NodeId, node: &NodeId) -> Option<String> {
    let limit = view.policy().stuck_commit;
    let Some(report) = view.fresh(node) else {
        let silence = view.silence(node);
        return (silence >= limit).then(|| format!("not heard of for {}", ms(silence)));
    };
    match report.source_silence {
        Some(silence) => {
            (silence >= limit && view.quiet(node)).then(|| format!("nothing from {primary} for {}", ms(silence)))
        }
        None => {
            let without = view.now.since(*view.seen.streamless.get(node)?);
            (without >= limit).then(|| format!("no stream from {primary} for {}", ms(without)))
        }
    }
}

fn disk(view: &View<'_>, primary: &NodeId) -> Option<Suspicion> {
    let report = view.fresh(primary)?;
    facts(report)?;
    let stalled = report.probes.disk_stalled;
    if stalled < view.policy().stalled_disk {
        return None;
    }
    let evidence = Evidence::new(primary, format!("its disk has taken no write for {}", ms(stalled)));
    Some(Suspicion::new(Cause::DiskStalled, vec![evidence]))
}
