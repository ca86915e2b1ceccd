//! The router, put together; the only place where everything is named.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::tls::{PeerName, Role, Tls};
use quorate_model::{Epoch, RouteTable, RouterReport};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::admin::Admin;
use crate::core::balance::Balance;
use crate::core::connections::Connections;
use crate::core::driver::{Driver, Inputs, write_tables};
use crate::core::hold::Hold;
use crate::core::links::{Link, hello};
use crate::core::listener::Listener;
use crate::core::machine::Machine;
use crate::core::metrics::Metrics;
use crate::core::route::{Access, Route, Routes};
use crate::core::state_file::StateFile;
use crate::mysql::door::Visitor;
use crate::mysql::tunnel::{Tunnel, dials};
use crate::{Config, Error, certificates};

/// Tables not yet taken up; supervisors push few, and the links wait when it is full.
const TABLES_MAX: usize = 16;

/// A router whose addresses are taken, but which serves nobody yet.
#[derive(Debug)]
pub struct Router {
    config: Config,
    tls: Arc<Tls>,
    file: StateFile,
    table: Option<RouteTable>,
    metrics: Metrics,
    rw: TcpListener,
    ro: TcpListener,
    admin: Option<TcpListener>,
}

/// Runs a router until `shutdown`.
///
/// # Errors
/// If it cannot start; see [`Error`]. Once it has started, nothing ends it but `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    Router::bind(config).await?.run(shutdown).await;
    Ok(())
}

impl Router {
    /// Checks everything that can be checked and takes the addresses.
    ///
    /// # Errors
    /// If configuration, certificates, state file or addresses are unusable.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        config.check()?;
        let tls = Tls::load(&config.tls).map_err(Error::Tls)?;
        let expected = PeerName {
            role: Role::Router,
            name: config.router.to_string(),
        };
        let found = tls.own_name().map_err(Error::Tls)?;
        if found != expected {
            return Err(Error::WrongCertificate {
                path: config.tls.cert.clone(),
                found: found.to_string(),
                expected: expected.to_string(),
            });
        }
        let metrics = Metrics::new().map_err(|error| Error::Config {
            field: "listen.admin".to_owned(),
            problem: format!("metrics cannot be set up: {error}"),
        })?;
        let (file, table) = StateFile::open(&config.state_file, &config.cluster)?;
        let rw = listen("rw", config.listen.rw).await?;
        let ro = listen("ro", config.listen.ro).await?;
        let admin = match config.listen.admin {
            Some(address) => Some(listen("admin", address).await?),
            None => None,
        };
        Ok(Self {
            config,
            tls,
            file,
            table,
            metrics,
            rw,
            ro,
            admin,
        })
    }

    /// The addresses for writing and for reading, with the ports that were given out for port 0.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.rw.local_addr()?, self.ro.local_addr()?))
    }

    /// Address of `/healthz`, `/readyz` and `/metrics`, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// Serves until `shutdown`, then lets open connections end for `drain_ms`, and closes what is left.
    pub async fn run(self, shutdown: CancellationToken) {
        raise_file_limit();
        let Self {
            config,
            tls,
            file,
            table,
            metrics,
            rw,
            ro,
            admin,
        } = self;
        let (tables, from_links) = mpsc::channel(TABLES_MAX);
        let (reports, latest_report) = watch::channel(None);
        let (to_disk, for_disk) = watch::channel(None);
        let (written, on_disk) = watch::channel(Epoch::ZERO);
        let routes = Routes::new(Clock.now());
        let parts = Parts {
            clock: Clock,
            metrics: Arc::new(metrics),
            connections: Connections::new(),
            hold: Arc::new(Hold::new(config.limits.hold_max, config.limits.hold_wait())),
            route: routes.subscribe(),
            connector: TlsConnector::from(tls.client()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            clients: TaskTracker::new(),
            stopping: shutdown.clone(),
            stopped: CancellationToken::new(),
        };
        let mut driver = Driver {
            machine: Machine::new(config.router.clone(), config.cluster.clone()),
            clock: parts.clock,
            connections: parts.connections.clone(),
            hold: parts.hold.clone(),
            routes,
            metrics: parts.metrics.clone(),
            reports,
            to_disk,
        };
        if let Some(table) = table {
            tracing::info!(epoch = %table.epoch, "following the table on disk until a supervisor sends a newer one");
            driver.restore(table);
        }
        let inputs = Inputs {
            tables: from_links,
            drained: parts.connections.drained(),
            on_disk,
        };
        let (tasks, stop) = (&parts.tasks, &parts.stop);
        tasks.spawn(driver.run(inputs, stop.clone()));
        tasks.spawn(write_tables(
            file,
            for_disk,
            written,
            parts.metrics.clone(),
            stop.clone(),
        ));
        tasks.spawn(certificates::keep_fresh(tls, stop.clone()));
        parts.start_links(&config, &tables, &latest_report);
        if let Some(socket) = admin {
            let (routes, metrics) = (parts.route.clone(), parts.metrics.clone());
            tasks.spawn(
                Admin {
                    routes,
                    metrics,
                    clock: parts.clock,
                }
                .run(socket, stop.clone()),
            );
        }
        parts.start_mysql(&config, rw, ro);

        shutdown.cancelled().await;
        parts.end(config.limits.drain()).await;
    }
}

/// What the tasks share.
struct Parts {
    clock: Clock,
    metrics: Arc<Metrics>,
    connections: Arc<Connections>,
    hold: Arc<Hold>,
    route: watch::Receiver<Route>,
    /// One for everything that is dialled, so that TLS sessions are resumed.
    connector: TlsConnector,
    /// Everything but clients, until `stop`.
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Clients: no new ones from `stopping` on, none at all from `stopped` on.
    clients: TaskTracker,
    stopping: CancellationToken,
    stopped: CancellationToken,
}

impl Parts {
    fn start_links(
        &self,
        config: &Config,
        tables: &mpsc::Sender<RouteTable>,
        reports: &watch::Receiver<Option<RouterReport>>,
    ) {
        for (supervisor, address) in &config.supervisors {
            let link = Link {
                supervisor: supervisor.clone(),
                address: address.clone(),
                hello: hello(&config.cluster, &config.router),
                tls: self.connector.clone(),
                tables: tables.clone(),
                reports: reports.clone(),
                metrics: self.metrics.clone(),
            };
            self.tasks.spawn(link.run(self.stop.clone()));
        }
    }

    fn start_mysql(&self, config: &Config, rw: TcpListener, ro: TcpListener) {
        let visitor = Arc::new(Visitor {
            cluster: config.cluster.clone(),
            router: config.router.clone(),
            tls: self.connector.clone(),
            patience: config.limits.dial_timeout(),
        });
        let room = Arc::new(Semaphore::new(config.limits.max_connections));
        let balance = Arc::new(Balance::default());
        for (name, socket, access) in [("rw", rw, Access::Write), ("ro", ro, Access::Read)] {
            let tunnel = Arc::new(Tunnel {
                access,
                visitor: visitor.clone(),
                routes: self.route.clone(),
                connections: self.connections.clone(),
                balance: balance.clone(),
                hold: self.hold.clone(),
                metrics: self.metrics.clone(),
                clock: self.clock,
                dials: dials(),
                stopping: self.stopping.clone(),
                stopped: self.stopped.clone(),
                max_connections: config.limits.max_connections,
            });
            let listener = Listener {
                name,
                socket,
                room: room.clone(),
            };
            let serve = move |client, slot| tunnel.clone().serve(client, slot);
            self.tasks
                .spawn(listener.run(self.clients.clone(), self.stopping.clone(), serve));
        }
    }

    /// Supervisors hear of this router until its last client is gone.
    async fn end(self, drain: Duration) {
        self.clients.close();
        if tokio::time::timeout(drain, self.clients.wait()).await.is_err() {
            tracing::info!(
                connections = self.connections.count(),
                "drain time is over; closing what is left"
            );
        }
        self.stopped.cancel();
        self.clients.wait().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn listen(field: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::listen(field, address, source))
}

/// Two files per client, while many systems start processes with a soft limit of 1024.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
}
