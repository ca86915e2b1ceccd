//! New certificates and tokens without a restart.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::tls::Tls;
use quorate_raft::Node;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::raft::certificates;
use crate::rest::Keys;

/// How often the files are read again. A few small files: cheaper than watching them, and right on every file system.
const EVERY: Duration = Duration::from_secs(10);

/// Reads certificates and tokens again until `stop`; the old ones stay while the files are unusable.
pub(super) async fn renew(tls: Arc<Tls>, keys: Arc<Keys>, node: Node, stop: CancellationToken) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = String::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let certificates_renewed = tls.reload().inspect(|changed| {
            if *changed {
                info!("new certificates are in use");
                node.reload_tls(&certificates(&tls));
            }
        });
        let problem = certificates_renewed.err().map(|error| error.to_string());
        let problem = problem
            .or_else(|| keys.reload().err().map(|error| error.to_string()))
            .unwrap_or_default();
        if problem != said && !problem.is_empty() {
            error!(
                problem,
                "certificates or tokens cannot be read again; the old ones stay in use"
            );
        }
        said = problem;
    }
}
