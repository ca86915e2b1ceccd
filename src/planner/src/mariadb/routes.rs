//! What the routers follow.

use quorate_model::{Endpoint, IoThread, NodeId, Phase, Progress, RouteTable};

use super::view::{View, facts};

/// A replica further behind than this serves no reads.
const READ_LAG_MAX_MS: u64 = 5_000;

/// The table of the agreed state. Its revision is numbered by the one that sends it.
pub(crate) fn table(view: &View<'_>) -> RouteTable {
    let endpoint = |node: &NodeId| {
        view.spec.nodes.get(node).map(|spec| Endpoint {
            node: node.clone(),
            door: spec.door.clone(),
        })
    };
    let leader = |phase| {
        let primary = view.state.primary.as_ref().filter(|_| view.state.phase == phase);
        primary.and_then(endpoint)
    };
    let readers = view.others().filter(|node| readable(view, node));
    RouteTable {
        cluster: view.spec.cluster.clone(),
        epoch: view.epoch(),
        index: view.state.index,
        revision: 0,
        writable: leader(Phase::Open),
        elected: leader(Phase::Elected),
        readable: readers.filter_map(endpoint).collect(),
    }
}

fn readable(view: &View<'_>, node: &NodeId) -> bool {
    let Some(report) = view.fresh(node) else {
        return false;
    };
    let follows = matches!(&report.progress, Progress::Following { epoch, source }
        if *epoch == view.epoch() && Some(source) == view.state.primary.as_ref());
    follows
        && facts(report).is_some_and(|facts| {
            facts.io == IoThread::Yes && facts.applier && facts.lag_ms.is_none_or(|lag| lag <= READ_LAG_MAX_MS)
        })
}
