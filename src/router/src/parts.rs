//! The router, put together; the only place where everything is named.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use quorate_api::clock::Clock;
use quorate_api::tls::Tls;
use quorate_model::{Epoch, RouteTable};
use rand::Rng as _;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Live;
use crate::core::admin::Admin;
use crate::core::balance::Balance;
use crate::core::connections::Connections;
use crate::core::driver::{Driver, Inputs, write_tables};
use crate::core::hold::Hold;
use crate::core::links::{Link, hello};
use crate::core::listener::{Listener, Port};
use crate::core::machine::Machine;
use crate::core::metrics::Metrics;
use crate::core::plane::Plane;
use crate::core::route::{Route, Routes};
use crate::core::state_file::StateFile;
use crate::mysql::door::Visitor;
use crate::mysql::fleet::monitor::Monitor;
use crate::mysql::fleet::positions::Fleet;
use crate::mysql::fleet::registry::Registry;
use crate::mysql::tunnel::{Tunnel, dials};
use crate::{Config, certificates};

/// Tables not yet taken up; supervisors push few, and the links wait when it is full.
const TABLES_MAX: usize = 16;

/// What the tasks share.
pub(crate) struct Parts {
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
    /// Clients run here, everything else on the runtime that the router was started on.
    plane: Arc<Plane>,
    visitor: Arc<Visitor>,
    fleet: Arc<Fleet>,
    registry: Arc<Registry>,
    config: Live,
}

impl Parts {
    /// Everything that is there before the first task, and the side that replaces the route snapshot.
    pub(crate) fn new(
        config: &Config,
        tls: &Tls,
        metrics: Metrics,
        plane: Plane,
        stopping: CancellationToken,
    ) -> (Self, Routes) {
        let routes = Routes::new(Clock.now());
        let connector = TlsConnector::from(tls.client());
        let parts = Self {
            clock: Clock,
            metrics: Arc::new(metrics),
            connections: Connections::new(),
            hold: Arc::new(Hold::new(config.limits.hold_max, config.limits.hold_wait())),
            route: routes.subscribe(),
            visitor: Arc::new(Visitor {
                cluster: config.cluster.clone(),
                router: config.router.clone(),
                tls: connector.clone(),
                patience: config.limits.dial_timeout(),
            }),
            connector,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            clients: TaskTracker::new(),
            stopping,
            stopped: CancellationToken::new(),
            plane: Arc::new(plane),
            fleet: Fleet::new(),
            registry: Registry::new(rand::rng().random_range(1..1 << 30)),
            config: Arc::new(ArcSwap::from_pointee(config.clone())),
        };
        (parts, routes)
    }

    /// The decisions, with an earlier run's table taken up first, the disk and the links.
    pub(crate) fn start_core(&self, config: &Config, routes: Routes, file: StateFile, table: Option<RouteTable>) {
        let (tables, from_links) = mpsc::channel(TABLES_MAX);
        let (reports, latest_report) = watch::channel(None);
        let (to_disk, for_disk) = watch::channel(None);
        let (written, on_disk) = watch::channel(Epoch::ZERO);
        let mut driver = Driver {
            machine: Machine::new(config.router.clone(), config.cluster.clone()),
            clock: self.clock,
            connections: self.connections.clone(),
            hold: self.hold.clone(),
            routes,
            metrics: self.metrics.clone(),
            reports,
            to_disk,
        };
        if let Some(table) = table {
            tracing::info!(epoch = %table.epoch, "following the table on disk until a supervisor sends a newer one");
            driver.restore(table);
        }
        let inputs = Inputs {
            tables: from_links,
            drained: self.connections.drained(),
            on_disk,
        };
        self.tasks.spawn(driver.run(inputs, self.stop.clone()));
        let writing = write_tables(file, for_disk, written, self.metrics.clone(), self.stop.clone());
        self.tasks.spawn(writing);
        for (supervisor, address) in &config.supervisors {
            let link = Link {
                supervisor: supervisor.clone(),
                address: address.clone(),
                hello: hello(&config.cluster, &config.router),
                tls: self.connector.clone(),
                tables: tables.clone(),
                reports: latest_report.clone(),
                metrics: self.metrics.clone(),
            };
            self.tasks.spawn(link.run(self.stop.clone()));
        }
    }

    /// Health, readiness and metrics.
    pub(crate) fn start_admin(&self, socket: TcpListener) {
        let admin = Admin {
            routes: self.route.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock,
        };
        self.tasks.spawn(admin.run(socket, self.stop.clone()));
    }

    /// Looks after replaced certificates.
    pub(crate) fn start_certificates(&self, tls: Arc<Tls>) {
        self.tasks.spawn(certificates::keep_fresh(tls, self.stop.clone()));
    }

    /// Watches the servers of every table.
    pub(crate) fn start_monitor(&self) {
        let monitor = Monitor {
            fleet: self.fleet.clone(),
            connections: self.connections.clone(),
            visitor: self.visitor.clone(),
            registry: self.registry.clone(),
            config: self.config.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock,
        };
        self.tasks.spawn(monitor.run(self.route.clone(), self.stop.clone()));
    }

    /// The listeners for applications.
    pub(crate) fn start_mysql(&self, config: &Config, sockets: impl Iterator<Item = (Port, TcpListener)>) {
        let room = Arc::new(Semaphore::new(config.limits.max_connections));
        let balance = Arc::new(Balance::default());
        for (port, socket) in sockets {
            let tunnel = Arc::new(Tunnel {
                port,
                access: port.access(),
                visitor: self.visitor.clone(),
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
                name: port.name(),
                socket,
                room: room.clone(),
                plane: self.plane.clone(),
            };
            let serve = move |client, slot| tunnel.clone().serve(client, slot);
            self.tasks
                .spawn(listener.run(self.clients.clone(), self.stopping.clone(), serve));
        }
    }

    /// Lets clients end, then ends them. Supervisors hear of this router until its last client is gone.
    pub(crate) async fn end(self, drain: Duration) {
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
        if let Some(plane) = Arc::into_inner(self.plane) {
            plane.end().await;
        }
    }
}
