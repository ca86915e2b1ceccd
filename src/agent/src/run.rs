//! Puts an agent together: checks everything first, then listens, then lets the machine decide.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::tls::{Role, Tls};
use quorate_mariadb::act::Source;
use quorate_mariadb::binaries::Binaries;
use quorate_mariadb::config::{ServerConfig, Tuning};
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{InstallSpec, clone_initialised, prepare};
use quorate_mariadb::process::Launch;
use quorate_mariadb::secrets::Secrets;
use quorate_mariadb::{Connector, Layout};
use quorate_model::{ClusterId, Incarnation, NodeId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::door::{Gate, Listener};
use crate::error::Error;
use crate::feed::{Answers, Caller, Relay, Stream};
use crate::links::Link;
use crate::machine::{Durable, Machine};
use crate::memory::{self, Memory};
use crate::server::{Mood, Site};
use crate::shell::Shell;
use crate::signals::Signals;
use crate::{health, machine};

/// Events that wait for the owner task.
const EVENTS_MAX: usize = 256;
/// Answers to failsafe questions that wait.
const ANSWERS_MAX: usize = 4;
/// `mariadbd --version`.
const VERSION_MAX: Duration = Duration::from_secs(20);
/// Initialising a data directory on a slow disk.
const INSTALL_MAX: Duration = Duration::from_secs(600);
/// Tasks that do not end by themselves are left behind; the process ends anyway.
const TASKS_END_MAX: Duration = Duration::from_secs(2);

/// Runs an agent until it is asked to stop, by a signal or by `shutdown`, and its server is dead.
///
/// # Errors
/// If the agent cannot start; nothing was changed then but what was missing.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let complaints = config.complaints();
    if !complaints.is_empty() {
        return Err(Error::Config(complaints));
    }
    let tls = load_tls(&config)?;
    let secrets = Secrets::from_dir(&config.secrets_dir).map_err(Error::Secrets)?;
    let door = listen("door.listen", config.door.listen).await?;
    let relay = listen("relay.listen", config.relay.listen).await?;
    let health = match &config.metrics {
        Some(metrics) => Some(listen("metrics.listen", metrics.listen).await?),
        None => None,
    };
    let signals = Signals::listen().map_err(Error::Signals)?;
    let server = prepare_server(&config, &secrets).await?;
    tracing::info!(node = config.node, incarnation = %server.identity.incarnation, "agent starts");

    let (events, inbox) = mpsc::channel(EVENTS_MAX);
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let nudge = Arc::new(Notify::new());
    let relay_port = relay
        .local_addr()
        .map_or(config.relay.listen.port(), |address| address.port());
    let site = Arc::new(Site {
        node: NodeId::new(config.node.as_str()),
        connector: Connector::new(server.launch.layout.socket(), &secrets.agent),
        launch: server.launch,
        config: server.config,
        source: Source {
            host: config.relay.listen.ip().to_string(),
            port: relay_port,
            account: secrets.replication.clone(),
        },
        secrets,
        events: events.clone(),
        tasks: tasks.clone(),
        nudge: nudge.clone(),
        mood: Mood::new(),
    });
    let caller = Caller {
        tls: tls.clone(),
        cluster: ClusterId::new(config.cluster.as_str()),
        node: site.node.clone(),
    };
    let identity = machine::Identity {
        node: site.node.clone(),
        incarnation: server.identity.incarnation,
        server_id: server.identity.server_id,
    };
    let machine = Machine::new(identity, config.timing.settings(), server.durable, Clock.now());

    let (memory_wanted, memory_asked) = watch::channel(None);
    let (relay_target, target) = watch::channel(None);
    let (reports, frames) = watch::channel(None);
    let (said, heard) = watch::channel(None);
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    let gate = Gate::new(usize::try_from(config.door.connections_max).unwrap_or(usize::MAX));
    let stream = Stream::new(events.clone(), nudge);

    tasks.spawn(memory::keep(server.memory, memory_asked, events.clone(), stop.clone()));
    tasks.spawn(signals.run(tls.clone(), events.clone(), shutdown, stop.clone()));
    let listener = Listener {
        gate: gate.clone(),
        tls: tls.clone(),
        cluster: caller.cluster.clone(),
        socket: site.config.layout.socket().to_owned(),
        direct_clients: config.door.direct_clients,
        events: events.clone(),
        tasks: tasks.clone(),
    };
    tasks.spawn(listener.run(door, stop.clone()));
    let feed = Relay {
        caller: caller.clone(),
        target: target.clone(),
        stream: stream.clone(),
        tasks: tasks.clone(),
    };
    tasks.spawn(feed.run(relay, stop.clone()));
    let failsafe = Answers {
        caller: caller.clone(),
        target,
        events: events.clone(),
        answers: answered,
    };
    tasks.spawn(failsafe.run(stop.clone()));
    for supervisor in &config.supervisors {
        let link = Link {
            address: supervisor.address.clone(),
            tls: tls.clone(),
            cluster: caller.cluster.clone(),
            node: caller.node.clone(),
            reports: frames.clone(),
            events: events.clone(),
        };
        tasks.spawn(link.run(stop.clone()));
    }
    if let Some(listener) = health {
        tasks.spawn(health::serve(listener, heard, gate.clone(), stop.clone()));
    }
    let shell = Shell {
        machine,
        site,
        gate,
        stream,
        memory: memory_wanted,
        relay: relay_target,
        reports,
        answers,
        said,
        boot: None,
        own: Vec::new(),
    };
    let _stop_at_the_end = stop.clone().drop_guard();
    shell.run(inbox).await;
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(TASKS_END_MAX, tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    Ok(())
}

fn load_tls(config: &Config) -> Result<Arc<Tls>, Error> {
    let tls = Tls::load(&config.tls).map_err(Error::Tls)?;
    let found = tls.own_name().map_err(Error::Tls)?;
    if found.role != Role::Agent || found.name != config.node {
        return Err(Error::WrongCertificate {
            found: found.to_string(),
            wanted: Role::Agent.dns_name(&config.node),
        });
    }
    Ok(tls)
}

async fn listen(field: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { field, address, source })
}

/// What is known of the server before it is started.
struct Prepared {
    identity: Identity,
    launch: Launch,
    config: ServerConfig,
    durable: Durable,
    memory: Memory,
}

async fn prepare_server(config: &Config, secrets: &Secrets) -> Result<Prepared, Error> {
    let binaries = find_binaries(config).await?;
    let server = &config.server;
    let mut layout = Layout::below(&server.home);
    if let Some(socket) = &server.socket {
        layout = layout.with_socket(socket);
    }
    if !layout.socket_fits() {
        return Err(Error::SocketPath(layout.socket().to_owned()));
    }
    std::fs::create_dir_all(&server.home).map_err(|source| Error::Home {
        path: server.home.clone(),
        source,
    })?;
    let memory = Memory::new(
        &server.home,
        ClusterId::new(config.cluster.as_str()),
        NodeId::new(config.node.as_str()),
    );
    let datadir = layout.datadir();
    // Another node's directory is named as such before its missing memory is.
    if let Some(found) = Identity::read(&datadir).map_err(|error| Error::Install(error.into()))? {
        let (cluster, node) = (
            ClusterId::new(config.cluster.as_str()),
            NodeId::new(config.node.as_str()),
        );
        found
            .require(&datadir, &cluster, &node)
            .map_err(|error| Error::Install(error.into()))?;
    }
    let durable = memory.load_or_begin(datadir.exists()).map_err(Error::Memory)?;
    let identity = install(config, &binaries, secrets, &datadir).await?;
    let sizes = &server.sizes;
    let server_config = ServerConfig {
        layout: layout.clone(),
        server_id: identity.server_id,
        report_host: config.node.clone(),
        tuning: Tuning {
            buffer_pool_mib: sizes.buffer_pool_mib,
            redo_log_mib: sizes.redo_log_mib,
            connections_max: sizes.connections_max,
            binlog_mib: sizes.binlog_mib,
            binlog_kept: Duration::from_secs(u64::from(sizes.binlog_days) * 24 * 3600),
        },
        include: server.include.clone(),
    };
    let launch = Launch {
        binaries,
        layout,
        run_as: server.run_as.clone(),
    };
    Ok(Prepared {
        identity,
        launch,
        config: server_config,
        durable,
        memory,
    })
}

async fn find_binaries(config: &Config) -> Result<Binaries, Error> {
    let server = &config.server;
    let mut binaries = match (&server.mariadbd, &server.install_db) {
        (Some(mariadbd), Some(install_db)) => Binaries {
            server: mariadbd.clone(),
            install_db: install_db.clone(),
            setpriv: Binaries::discover().ok().and_then(|found| found.setpriv),
        },
        _ => Binaries::discover().map_err(Error::Binaries)?,
    };
    if let Some(mariadbd) = &server.mariadbd {
        binaries.server.clone_from(mariadbd);
    }
    if let Some(install_db) = &server.install_db {
        binaries.install_db.clone_from(install_db);
    }
    binaries.check_version(VERSION_MAX).await.map_err(Error::Binaries)?;
    Ok(binaries)
}

async fn install(config: &Config, binaries: &Binaries, secrets: &Secrets, datadir: &Path) -> Result<Identity, Error> {
    let spec = InstallSpec {
        datadir: datadir.to_owned(),
        identity: Identity {
            cluster: ClusterId::new(config.cluster.as_str()),
            node: NodeId::new(config.node.as_str()),
            incarnation: Incarnation::new(format!(
                "{}-{:016x}",
                config.node,
                StdRng::from_os_rng().random::<u64>()
            )),
            server_id: config.server.server_id,
        },
        secrets: secrets.clone(),
        run_as: config.server.run_as.clone(),
    };
    let installed = match config.server.template.clone() {
        Some(template) => {
            let copying = tokio::task::spawn_blocking(move || clone_initialised(&template, &spec));
            copying.await.unwrap_or_else(|error| {
                Err(quorate_mariadb::install::InstallError::Files {
                    path: datadir.to_owned(),
                    source: std::io::Error::other(error),
                })
            })
        }
        None => prepare(binaries, &spec, INSTALL_MAX).await,
    };
    Ok(installed.map_err(Error::Install)?.identity().clone())
}
