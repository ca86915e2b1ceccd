//! Starting: settings, disk, listener, then formation.

use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwapOption;
use rustls::pki_types::ServerName;
use tokio::sync::{mpsc, watch};
use tokio::task;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::StartError;
use super::inner::{Inner, Running};
use super::leadership::Leadership;
use crate::config::{Config, ConfigError};
use crate::formation::{self, Formation};
use crate::identity::Identity;
use crate::log::{LogError, LogStore};
use crate::machine::{Applied, MachineHost};
use crate::net::{self, NetworkFactory, Peers, Server, Tls};
use crate::types::Raft;

/// Wishes to form that may wait; peers ask once per attempt.
const ASKS_MAX: usize = 8;

pub(super) async fn start(config: Config, tls: &Tls) -> Result<(Arc<Inner>, Server), StartError> {
    config.check()?;
    let raft_config = Arc::new(config.raft()?);
    let server_name = ServerName::try_from(config.tls_server_name.clone())
        .map_err(|_| ConfigError::ServerName(config.tls_server_name.clone()))?;
    let identity = open_folder(&config)?;
    let listen = |source| StartError::Listen {
        addr: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).map_err(listen)?;
    let (asks, wishes) = mpsc::channel(ASKS_MAX);
    let rpc_timeout = config.profile.rpc_timeout();
    let inner = Arc::new(Inner {
        raft_config,
        peers: Arc::new(Peers::new(tls, config.tls_server_name.clone(), rpc_timeout)),
        formation: watch::channel(Formation::Starting).0,
        cancel: CancellationToken::new(),
        tracker: TaskTracker::new(),
        identity: Arc::new(ArcSwapOption::from_pointee(identity)),
        slot: OnceLock::new(),
        applied: watch::channel(Applied::default()).0,
        leadership: watch::channel(Leadership::forming()).0,
        asks,
        heard: Mutex::default(),
        config: config.clone(),
    });
    inner.run_raft().await?;
    let server = net::serve(listener, tls, server_name, &inner, &inner.tracker).map_err(listen)?;
    inner.tracker.spawn(formation::run(Arc::clone(&inner), wishes));
    Ok((inner, server))
}

/// Makes the folder, reads its identity and refuses a folder that holds half of something.
fn open_folder(config: &Config) -> Result<Option<Identity>, StartError> {
    let path = config.data_dir.clone();
    if let Err(source) = fs::create_dir_all(&path) {
        return Err(StartError::Folder { path, source });
    }
    let identity = Identity::load(&path)?;
    let log = path.join("log");
    match &identity {
        None if log.exists() => Err(StartError::Orphan { path }),
        Some(identity) if identity.log_created && !log.exists() => Err(LogError::Missing { path: log }.into()),
        Some(_) | None => Ok(identity),
    }
}

/// Opens log and snapshot and starts openraft over them.
pub(super) async fn run_raft(inner: &Inner, identity: &Identity) -> Result<Running, StartError> {
    let (path, owner) = (inner.log_path(), identity.node_id);
    let (folder, applied) = (inner.config.data_dir.clone(), inner.applied.clone());
    let opened = task::spawn_blocking(move || {
        let log = LogStore::open(&path, owner)?;
        let machine = MachineHost::open(&folder, applied)?;
        if let Some(purged) = log.purged()
            && Some(purged) > machine.covered()
        {
            let covered = machine.covered();
            return Err(StartError::Gap {
                path: folder,
                purged,
                covered,
            });
        }
        Ok((log, machine))
    });
    let (log, machine) = opened.await.map_err(|error| StartError::Raft(error.to_string()))??;
    let peers = inner.config.peers.iter();
    let addrs = peers.map(|peer| (peer.name.clone(), peer.raft_addr.clone()));
    let network = NetworkFactory {
        me: identity.node_id,
        identity: Arc::clone(&inner.identity),
        peers: Arc::clone(&inner.peers),
        addrs: Arc::new(addrs.collect()),
        rpc_timeout: inner.config.profile.rpc_timeout(),
    };
    let (log_closed, not_understood) = (log.closed(), machine.not_understood());
    let raft = Raft::new(identity.node_id, Arc::clone(&inner.raft_config), network, log, machine)
        .await
        .map_err(|error| StartError::Raft(error.to_string()))?;
    Ok(Running {
        raft,
        log_closed,
        not_understood,
    })
}
