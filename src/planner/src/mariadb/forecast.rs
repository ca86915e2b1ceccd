//! What would happen if the primary died now.

use quorate_model::{Forecast, NodeId, Phase, ServerFacts};

use super::elect::rank;
use super::view::{View, facts, ms};

/// Who would take over, or why nobody could.
pub(crate) fn forecast(view: &View<'_>) -> Forecast {
    let silence_threshold = view.state.primary.as_ref().map(|primary| view.threshold(primary));
    match successor(view, false) {
        Ok((node, facts)) => {
            let backlog = facts.applied.missing(&facts.received);
            Forecast {
                note: format!("{node} holds {} and would take over", facts.received),
                successor: Some(node.clone()),
                backlog,
                silence_threshold,
            }
        }
        Err(note) => Forecast {
            successor: None,
            backlog: 0,
            note,
            silence_threshold,
        },
    }
}

/// Why no epoch after this one could get a primary, if so. A candidate that never opened is free to try again, or to
/// follow whoever takes over.
pub(crate) fn dead_end(view: &View<'_>) -> Option<String> {
    successor(view, view.state.phase == Phase::Elected).err()
}

fn successor<'a>(view: &View<'a>, present_too: bool) -> Result<(&'a NodeId, &'a ServerFacts), String> {
    if !matches!(view.state.phase, Phase::Elected | Phase::Open) {
        return Err(format!("there is no primary in epoch {}", view.epoch()));
    }
    if view.state.ack_set.is_empty() {
        return Err("the ack set is empty: only the primary holds what it acknowledges".to_owned());
    }
    let mut floors = Vec::new();
    for member in view.state.ack_set.keys() {
        floors.push(living(view, member).map(|facts| &facts.received)?);
    }
    let present = || view.state.primary.iter().filter(|_| present_too);
    let nodes = || view.others().chain(present());
    let mut fit: Vec<(&NodeId, &ServerFacts)> = nodes()
        .filter(|node| view.spec.nodes.get(*node).is_some_and(|spec| spec.priority > 0))
        .filter_map(|node| Some((node, there(view, node)?)))
        .filter(|(_, facts)| floors.iter().all(|floor| facts.received.covers(floor)))
        .filter(|(_, facts)| facts.received.covers(&view.state.required))
        .collect();
    fit.sort_by_key(|(node, facts)| rank(view, node, facts));
    let best = fit
        .first()
        .copied()
        .ok_or_else(|| "no node that may lead holds everything that may have been acknowledged".to_owned())?;
    let witness = nodes().any(|node| node != best.0 && there(view, node).is_some());
    if !witness && !view.degrades() {
        return Err(format!(
            "{} could lead, but nobody could acknowledge its writes",
            best.0
        ));
    }
    Ok(best)
}

/// A node that could take part now.
fn there<'a>(view: &View<'a>, node: &NodeId) -> Option<&'a ServerFacts> {
    let report = view.fresh(node).filter(|report| view.known_directory(report))?;
    facts(report).filter(|facts| view.errant(facts).is_empty())
}

/// A member of the ack set that could be revoked and vouch now.
fn living<'a>(view: &View<'a>, member: &NodeId) -> Result<&'a ServerFacts, String> {
    let report = view.fresh(member).ok_or_else(|| {
        format!(
            "{member} may hold acknowledged writes and is silent for {}",
            ms(view.silence(member))
        )
    })?;
    if view.state.ack_set.get(member) != Some(&report.incarnation) {
        return Err(format!(
            "{member} may have held acknowledged writes, but its data directory was replaced"
        ));
    }
    let facts =
        facts(report).ok_or_else(|| format!("{member} may hold acknowledged writes and its server does not run"))?;
    if !report.vouch {
        return Err(format!("{member} does not vouch for what it has received"));
    }
    Ok(facts)
}
