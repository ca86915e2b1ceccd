//! Who may acknowledge, while a primary leads: commit first, then let in; cut first, then a barrier, then commit (I3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_model::{AgentReport, Change, Evidence, Incarnation, IoThread, NodeId, Phase, Progress, ServerState};

use super::draft::Draft;
use super::view::{View, facts, ms};

/// A replica that misses more transactions does not join yet.
const JOIN_MISSING_MAX: u64 = 100;

/// A member that has failed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) node: NodeId,
    why: String,
}

/// The member to take out next, if any: one at a time, and only while a sound one remains.
pub(crate) fn failing(view: &View<'_>) -> Option<Failing> {
    if view.state.phase != Phase::Open || view.state.paused.is_some() {
        return None;
    }
    let members = || view.state.ack_set.keys();
    let (node, why) = members().find_map(|node| Some((node, failure(view, node)?)))?;
    let remains = members().any(|other| other != node && failure(view, other).is_none() && streams(view, other));
    (remains || view.degrades()).then(|| Failing {
        node: node.clone(),
        why,
    })
}

/// Whose acknowledgements the primary shall count: the agreed set without the one that is being taken out.
pub(crate) fn wanted(view: &View<'_>) -> BTreeSet<NodeId> {
    let failing = failing(view);
    view.state
        .ack_set
        .keys()
        .filter(|node| failing.as_ref().is_none_or(|failing| failing.node != **node))
        .cloned()
        .collect()
}

/// Adds a replica that has caught up, or removes one that failed. One change at a time.
pub(crate) fn adjust(view: &View<'_>, draft: &mut Draft) {
    let Some(primary) = view.state.primary.as_ref() else {
        return;
    };
    let sound = view.state.ack_set.keys().any(|node| streams(view, node));
    // Before the epoch row is acknowledged, only a set that cannot acknowledge it needs help.
    if view.state.phase == Phase::Elected && sound {
        return;
    }
    if view.state.paused.is_some() {
        draft.hold("changes of the ack set", "resume: the cluster is paused", None);
        return;
    }
    if add(view, primary, draft) || view.state.phase != Phase::Open {
        return;
    }
    match failing(view) {
        Some(failing) => remove(view, primary, &failing, draft),
        None => {
            for node in view.state.ack_set.keys() {
                if let Some(why) = failure(view, node) {
                    draft.hold(
                        format!("removal of {node} from the ack set ({why})"),
                        "another member that is sound: the last one may hold the only copy",
                        None,
                    );
                }
            }
        }
    }
}

fn add(view: &View<'_>, primary: &NodeId, draft: &mut Draft) -> bool {
    for node in view.others().filter(|node| !view.state.ack_set.contains_key(*node)) {
        let Some(report) = view.fresh(node) else {
            continue;
        };
        match joins(view, primary, report) {
            Ok(why) => {
                let mut ack_set = view.state.ack_set.clone();
                ack_set.insert(node.clone(), report.incarnation.clone());
                propose(view, ack_set, node, format!("joins the ack set: {why}"), draft);
                return true;
            }
            Err(waiting) => draft.hold(format!("{node} in the ack set"), waiting, None),
        }
    }
    false
}

/// Whether a replica may acknowledge from now on.
fn joins(view: &View<'_>, primary: &NodeId, report: &AgentReport) -> Result<String, String> {
    let node = &report.node;
    if !view.known_directory(report) {
        return Err(format!("the registration of the data directory of {node}"));
    }
    if !streams(view, node) {
        return Err(format!("its stream from {primary}"));
    }
    // Steadier than what makes a member leave, or it would come and go. Without a sound member nobody waits for that.
    if view.state.ack_set.keys().any(|member| streams(view, member)) && !steady(view, node) {
        return Err(format!("its stream from {primary} to be steady"));
    }
    if !report.vouch {
        return Err("its word that it has lost nothing".to_owned());
    }
    let Some(theirs) = facts(report).filter(|facts| view.errant(facts).is_empty()) else {
        return Err("a history without transactions that nobody was entitled to write".to_owned());
    };
    let ours = view.report(primary).and_then(facts);
    let missing = ours.map_or(0, |ours| theirs.received.missing(&ours.binlog_pos));
    if missing > JOIN_MISSING_MAX {
        return Err(format!("it to catch up: {missing} transactions are missing"));
    }
    Ok(format!("follows {primary}, {missing} transactions behind"))
}

fn remove(view: &View<'_>, primary: &NodeId, failing: &Failing, draft: &mut Draft) {
    let node = &failing.node;
    let what = format!("removal of {node} from the ack set ({})", failing.why);
    let Some(report) = view.fresh(primary) else {
        draft.hold(what, format!("word of {primary}"), None);
        return;
    };
    let serving = matches!(report.progress, Progress::Serving { epoch } if epoch == view.epoch());
    let Some(end) = facts(report).filter(|_| serving).map(|facts| &facts.binlog_pos) else {
        draft.hold(what, format!("{primary} to serve"), None);
        return;
    };
    if report.ackable.contains(node) {
        draft.hold(what, format!("{primary} to pass on no acknowledgement of {node}"), None);
        return;
    }
    let mut ack_set = view.state.ack_set.clone();
    ack_set.remove(node);
    let holder = ack_set.keys().find(|member| {
        streams(view, member)
            && view
                .report(member)
                .and_then(facts)
                .is_some_and(|facts| facts.received.covers(end))
    });
    match holder {
        Some(holder) => {
            let why = format!(
                "leaves the ack set ({}): it can acknowledge nothing any more, and {holder} has received everything up to {end}",
                failing.why
            );
            propose(view, ack_set, node, why, draft);
        }
        None if ack_set.is_empty() && view.degrades() => {
            let why = format!(
                "leaves the ack set ({}): by declared policy commits go on unprotected",
                failing.why
            );
            propose(view, ack_set, node, why, draft);
        }
        None => draft.hold(
            what,
            format!("a remaining member to receive everything up to {end}: {node} may hold the only copy"),
            None,
        ),
    }
}

fn propose(view: &View<'_>, ack_set: BTreeMap<NodeId, Incarnation>, about: &NodeId, why: String, draft: &mut Draft) {
    draft.because(about, why.clone());
    draft.change(Change::AckSetChanged {
        epoch: view.epoch(),
        ack_set,
        evidence: vec![Evidence::new(about, why)],
    });
}

/// Whether a replica receives from the primary of the epoch.
pub(crate) fn streams(view: &View<'_>, node: &NodeId) -> bool {
    let Some(report) = view.fresh(node) else {
        return false;
    };
    let follows = matches!(&report.progress, Progress::Following { epoch, source }
        if *epoch == view.epoch() && Some(source) == view.state.primary.as_ref());
    follows && report.source_silence.is_some() && facts(report).is_some_and(|facts| facts.io == IoThread::Yes)
}

/// Whether something came from the primary just now, and without a pause for as long as a member is given.
fn steady(view: &View<'_>, node: &NodeId) -> bool {
    let wavered = view.seen.wavered.get(node);
    let lately = wavered.is_some_and(|at| view.now.since(*at) <= view.policy().replica_patience);
    !lately && !view.seen.quiet.contains_key(node)
}

/// Why a member should leave, once the policy's patience is over.
fn failure(view: &View<'_>, node: &NodeId) -> Option<String> {
    let patience = view.policy().replica_patience;
    let over = |since: Duration| since > patience && view.in_phase() > patience;
    let silence = view.silence(node);
    let Some(report) = view.report(node) else {
        return over(silence).then(|| format!("not heard of for {}", ms(silence)));
    };
    if over(silence) {
        return Some(format!("silent for {}", ms(silence)));
    }
    if view.state.ack_set.get(node) != Some(&report.incarnation) {
        return Some("its data directory was replaced".to_owned());
    }
    if !view.spec.nodes.contains_key(node) {
        return Some("it is not declared any more".to_owned());
    }
    if !report.vouch && view.in_phase() > patience {
        // Nothing to be patient for: what it received is not to be had until it has been salvaged.
        return Some(match &report.server {
            ServerState::Running { .. } => "it does not vouch for what it has received".to_owned(),
            ServerState::Down { .. } | ServerState::Starting => "its server is down".to_owned(),
        });
    }
    let streamless = view.seen.streamless.get(node).copied().unwrap_or(view.seen.phase_since);
    let without = match report.source_silence {
        Some(_) if !view.quiet(node) => return None,
        Some(silence) => silence,
        None => view.now.since(streamless.max(view.seen.phase_since)),
    };
    if over(without) {
        return Some(match &report.server {
            ServerState::Down { .. } | ServerState::Starting => format!("server down for {}", ms(without)),
            ServerState::Running { .. } => format!("nothing received for {}", ms(without)),
        });
    }
    None
}
