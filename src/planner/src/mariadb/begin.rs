//! Whether a suspicion ends the term: pause, flap budget and the prospect of a successor.

use quorate_model::Change;

use super::draft::Draft;
use super::forecast;
use super::suspect::Suspicion;
use super::view::View;

/// Begins the next epoch, or says why not yet.
pub(crate) fn begin(view: &View<'_>, suspicion: Suspicion, draft: &mut Draft) {
    let seen: Vec<String> = suspicion
        .evidence
        .iter()
        .map(|evidence| format!("{}: {}", evidence.source, evidence.fact))
        .collect();
    let what = format!(
        "epoch {} ({}; {})",
        view.epoch().next(),
        suspicion.cause,
        seen.join("; ")
    );
    if view.state.paused.is_some() {
        draft.hold(what, "resume: the cluster is paused", None);
        return;
    }
    if !suspicion.proven {
        let (recent, budget) = (view.seen.recent_suspicions, view.policy().flap_budget);
        if recent >= budget {
            draft.hold(
                what,
                format!("the flap budget: {recent} of {budget} failovers without proof of death in ten minutes"),
                None,
            );
            return;
        }
        if let Some(why) = forecast::dead_end(view) {
            draft.hold(what, format!("a successor: {why}"), None);
            return;
        }
    }
    let about = view
        .state
        .primary
        .as_ref()
        .map_or("cluster", |primary| primary.as_str());
    draft.because(about, format!("{}: {}", suspicion.cause, seen.join("; ")));
    draft.change(Change::Begin {
        epoch: view.epoch().next(),
        cause: suspicion.cause,
        evidence: suspicion.evidence,
    });
}
