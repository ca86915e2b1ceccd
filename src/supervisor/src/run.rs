//! Starting, wiring and stopping a supervisor.

mod claim;
mod raft;
mod renew;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::tls::{PeerName, Role, Tls};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::Config;
use crate::core::{Core, INPUTS_MAX, Wake};
use crate::error::Error;
use crate::link::{Dialler, Gate, Rules, dial, listen};
use crate::machine::{Machine, Settings};
use crate::rest::{self, Api, Keys};

/// How long everything may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a supervisor until `shutdown`.
///
/// # Errors
/// If something that it needs is wrong or taken; the error names it and says what to do.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    config.check()?;
    let tls = Tls::load(&config.tls)?;
    check_name(&config, &tls)?;
    let keys = Arc::new(Keys::load(config.tokens_file.clone())?);
    let claim = claim::Claim::take(&config)?;
    let links = bind("link", config.listen.link)?;
    let apis = bind("api", config.listen.api)?;
    let raft = raft::Raft::start(&config, &tls).await?;
    let stop = shutdown.child_token();
    let tasks = TaskTracker::new();

    let (core, inputs) = mpsc::channel(INPUTS_MAX);
    let (routes, tables) = watch::channel(None);
    let (views, told) = watch::channel(None);
    let gate = Gate {
        tls: tls.clone(),
        rules: rules(&config),
        core: core.clone(),
        routes: tables.clone(),
        ids: AtomicU64::new(0),
    };
    let links = tokio::net::TcpListener::from_std(links).map_err(Error::Serve)?;
    tasks.spawn(listen(links, Arc::new(gate), tasks.clone(), stop.clone()));
    let dialler = Dialler {
        me: config.me(),
        cluster: config.spec().cluster,
        tls: tls.clone(),
        views: told,
    };
    for peer in config.peers.iter().filter(|peer| peer.id != config.id) {
        tasks.spawn(dial(dialler.clone(), peer.id.clone(), peer.link.clone(), stop.clone()));
    }
    tasks.spawn(renew::renew(
        tls.clone(),
        keys.clone(),
        raft.node().clone(),
        stop.clone(),
    ));

    let api = Api::new(&config, keys, raft.node().clone(), core.clone(), tables, stop.clone());
    let core = Core {
        machine: Machine::new(settings(&config), Clock.now()),
        node: raft.node().clone(),
        inputs,
        back: core,
        routes,
        views,
        tasks: tasks.clone(),
        data_dir: config.data_dir.clone(),
        live: BTreeMap::new(),
        answers: BTreeMap::new(),
        wake: Wake::new(Clock.now()),
        requests: 0,
        ticks: 0,
    };
    info!(id = config.id, link = %config.listen.link, api = %config.listen.api, "supervisor runs");
    let ended = tokio::select! {
        ended = core.run(stop.clone()) => ended,
        served = rest::serve(apis, &tls, api) => served,
    };
    stop.cancel();
    tasks.close();
    raft.stop().await;
    if timeout(STOP_TIMEOUT, tasks.wait()).await.is_err() {
        warn!("some tasks did not end in time");
    }
    drop(claim);
    info!(id = config.id, "supervisor ended");
    ended
}

fn check_name(config: &Config, tls: &Tls) -> Result<(), Error> {
    let wanted = PeerName {
        role: Role::Supervisor,
        name: config.id.clone(),
    };
    let found = tls.own_name()?;
    if found == wanted {
        return Ok(());
    }
    Err(Error::Certificate {
        found: found.to_string(),
        wanted: wanted.to_string(),
    })
}

fn bind(what: &'static str, addr: SocketAddr) -> Result<TcpListener, Error> {
    let listen = |source| Error::Listen { what, addr, source };
    let listener = TcpListener::bind(addr).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    Ok(listener)
}

fn rules(config: &Config) -> Rules {
    Rules {
        me: config.me(),
        cluster: config.spec().cluster,
        nodes: config.cluster.nodes.keys().cloned().collect(),
        supervisors: config.peers.iter().map(|peer| peer.id.clone()).collect(),
    }
}

fn settings(config: &Config) -> Settings {
    let profile = quorate_raft::Profile::from(config.raft_profile);
    Settings {
        me: config.me(),
        spec: config.spec(),
        nonce: rand::random(),
        // Twice the leader's own lease: a delayed heartbeat on a busy machine is forgiven, a lost quorum is not.
        authority: profile.election_max().saturating_mul(2),
    }
}
