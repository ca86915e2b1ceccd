//! Raft on a thread and runtime of its own: a busy one delays heartbeats, and that looks like a lost leader.

use std::thread;
use std::time::Duration;

use quorate_api::tls::{Role, Tls};
use quorate_raft::{Member, Node};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::Config;
use crate::error::Error;

/// A handover takes milliseconds; without a successor there is nothing to wait for.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(1);
/// For closing the log.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// Entries between snapshots. Commands are few: this is months of quiet operation, or an hour of the worst.
const SNAPSHOT_EVERY: u64 = 2048;

/// The running node and its thread.
#[derive(Debug)]
pub(super) struct Raft {
    node: Node,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Raft {
    pub(super) async fn start(config: &Config, tls: &Tls) -> Result<Self, Error> {
        let raft = settings(config);
        let certificates = certificates(tls);
        let stop = CancellationToken::new();
        let (started, starting) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let stopping = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let body = move || {
            runtime.block_on(async move {
                match Node::start(raft, certificates).await {
                    Ok(node) => {
                        // The starter waits for it.
                        let _ = started.send(Ok(node.clone()));
                        stopping.cancelled().await;
                        stop_node(&node).await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
            drop(end);
        };
        thread::Builder::new()
            .name("raft".to_owned())
            .spawn(body)
            .map_err(Error::Thread)?;
        let node = starting.await.map_err(|_| Error::RaftStopped)??;
        Ok(Self { node, stop, ended })
    }

    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// Hands leadership on, stops the node and waits for its files to be closed.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        // The sender is dropped when the thread ends; either way it is over.
        let _ = timeout(STOP_TIMEOUT, self.ended).await;
    }
}

async fn stop_node(node: &Node) {
    match timeout(HANDOVER_TIMEOUT, node.step_down()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => info!(%error, "leadership is not handed on"),
        Err(_) => info!("leadership is not handed on in time"),
    }
    node.shutdown().await;
}

/// Certificates as Raft takes them.
pub(super) fn certificates(tls: &Tls) -> quorate_raft::Tls {
    quorate_raft::Tls {
        client: tls.client(),
        server: tls.server_mutual(),
    }
}

fn settings(config: &Config) -> quorate_raft::Config {
    let peers = config.peers.iter().map(|peer| Member {
        name: peer.id.clone(),
        raft_addr: peer.raft.clone(),
        api_addr: peer.api.clone(),
    });
    quorate_raft::Config {
        name: config.id.clone(),
        data_dir: config.data_dir.clone(),
        listen: config.listen.raft,
        peers: peers.collect(),
        tls_server_name: Role::Supervisor.dns_suffix().to_owned(),
        profile: config.raft_profile.into(),
        snapshot_every: SNAPSHOT_EVERY,
    }
}
