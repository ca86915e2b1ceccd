//! Which routers are admitted, and thereby must confirm each epoch.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_model::{Change, Phase, Progress, RouterId};

use super::draft::Draft;
use super::view::{View, ms};

/// How long nothing was heard of a router.
fn silence(view: &View<'_>, router: &RouterId) -> Duration {
    let at = view
        .seen
        .routers
        .get(router)
        .map_or(view.seen.leader_since, |seen| seen.at);
    view.now.since(at)
}

/// Routers that doors shall admit: the agreed ones, without those that were away for too long.
pub(crate) fn wanted(view: &View<'_>) -> BTreeSet<RouterId> {
    let patience = view.policy().router_patience;
    view.state
        .routers
        .iter()
        .filter(|router| silence(view, router) <= patience)
        .cloned()
        .collect()
}

/// Admits routers that were heard of; forgets those that are gone and that the primary's door admits no more.
pub(crate) fn adjust(view: &View<'_>, draft: &mut Draft) {
    let patience = view.policy().router_patience;
    for router in view.seen.routers.keys() {
        if !view.state.routers.contains(router) && silence(view, router) <= patience {
            draft.because(router, "reports: doors may admit it, and it must confirm every epoch");
            draft.change(Change::RouterAdmitted { router: router.clone() });
        }
    }
    let admitted = view
        .state
        .primary
        .as_ref()
        .filter(|_| view.state.phase == Phase::Open)
        .and_then(|primary| view.fresh(primary))
        .filter(|report| matches!(report.progress, Progress::Serving { epoch } if epoch == view.epoch()))
        .map(|report| &report.admitted);
    for router in &view.state.routers {
        let silence = silence(view, router);
        if silence <= patience {
            continue;
        }
        let what = format!("removal of router {router}, away for {}", ms(silence));
        match admitted {
            Some(admitted) if !admitted.contains(router) => {
                draft.because(
                    router,
                    format!("away for {}, and no door admits it any more", ms(silence)),
                );
                draft.change(Change::RouterRemoved { router: router.clone() });
            }
            Some(_) => draft.hold(what, "the primary's door to admit it no more", None),
            None => draft.hold(what, "a serving primary", None),
        }
    }
}
