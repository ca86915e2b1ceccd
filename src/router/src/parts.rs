//! The router, put together; the only place where everything is named.

use std::sync::Arc;

use arc_swap::ArcSwap;
use quorate_api::clock::Clock;
use quorate_api::tls::Tls;
use quorate_model::{Epoch, RouteTable};
use rand::Rng as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Live;
use crate::core::admin::Admin;
use crate::core::balance::Balance;
use crate::core::connections::Connections;
use crate::core::driver::{Driver, Inputs, write_tables};
use crate::core::handover::{Predecessor, Successor, lower_of, obey};
use crate::core::hold::Hold;
use crate::core::links::Links;
use crate::core::listener::{Listener, Port};
use crate::core::machine::Machine;
use crate::core::metrics::Metrics;
use crate::core::plane::Plane;
use crate::core::room::Room;
use crate::core::route::{Route, Routes};
use crate::core::sealed;
use crate::core::state_file::StateFile;
use crate::mysql::auth::proxy_protocol::Proxies;
use crate::mysql::door::Visitor;
use crate::mysql::fleet::monitor::Monitor;
use crate::mysql::fleet::positions::Fleet;
use crate::mysql::fleet::registry::Registry;
use crate::mysql::split::Split;
use crate::mysql::split::start::{Around, ClientFiles, start};
use crate::mysql::tunnel::{Tunnel, dials};
use crate::{Config, certificates, reload};

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
    /// Links, disk and accepting, which one process does at a time: until `stop`, or until another one takes over.
    outward: TaskTracker,
    yielded: CancellationToken,
    accepting: CancellationToken,
    /// To the driver.
    tables: mpsc::Sender<RouteTable>,
    /// Clients: they should end from `stopping` on, and there are none at all from `stopped` on.
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

/// What the decisions begin with.
pub(crate) struct Start {
    pub(crate) routes: Routes,
    pub(crate) tables: mpsc::Receiver<RouteTable>,
    pub(crate) file: StateFile,
    /// Left by an earlier run.
    pub(crate) on_disk: Option<RouteTable>,
    /// Told by the router that was taken over.
    pub(crate) handed: Option<RouteTable>,
    pub(crate) predecessor: Option<Predecessor>,
}

impl Parts {
    /// Everything that is there before the first task, and the side that replaces the route snapshot.
    pub(crate) fn new(
        config: &Config,
        tls: &Tls,
        metrics: Metrics,
        plane: Plane,
    ) -> (Self, Routes, mpsc::Receiver<RouteTable>) {
        let (stop, stopping) = (CancellationToken::new(), CancellationToken::new());
        let (tables, for_driver) = mpsc::channel(TABLES_MAX);
        let routes = Routes::new(Clock.now());
        let connector = TlsConnector::from(tls.client());
        let live: Live = Arc::new(ArcSwap::from_pointee(config.clone()));
        let parts = Self {
            clock: Clock,
            metrics: Arc::new(metrics),
            connections: Connections::new(),
            hold: Arc::new(Hold::new(live.clone())),
            route: routes.subscribe(),
            visitor: Arc::new(Visitor {
                cluster: config.cluster.clone(),
                router: config.router.clone(),
                tls: sealed::unlocked(connector.config()),
                config: live.clone(),
            }),
            connector,
            tasks: TaskTracker::new(),
            outward: TaskTracker::new(),
            yielded: stop.child_token(),
            stop,
            accepting: stopping.child_token(),
            tables,
            clients: TaskTracker::new(),
            stopping,
            stopped: CancellationToken::new(),
            plane: Arc::new(plane),
            fleet: Fleet::new(),
            registry: Registry::new(rand::rng().random_range(1..1 << 30)),
            config: live,
        };
        (parts, routes, for_driver)
    }

    /// The decisions, with what is known already taken up first, the disk and the links.
    pub(crate) fn start_core(&self, start: Start) {
        let config = self.config.load();
        let (reports, latest_report) = watch::channel(None);
        let (to_disk, for_disk) = watch::channel(None);
        let (written, on_disk) = watch::channel(Epoch::ZERO);
        let mut driver = Driver {
            machine: Machine::new(config.router.clone(), config.cluster.clone()),
            clock: self.clock,
            connections: self.connections.clone(),
            hold: self.hold.clone(),
            routes: start.routes,
            metrics: self.metrics.clone(),
            reports,
            to_disk,
        };
        if let Some(table) = start.on_disk {
            tracing::info!(epoch = %table.epoch, "following the table on disk until a supervisor sends a newer one");
            driver.restore(table);
        }
        if let Some(table) = start.handed {
            tracing::info!(epoch = %table.epoch, "following the table of the router that was taken over");
            driver.follow(table);
        }
        let inputs = Inputs {
            tables: start.tables,
            drained: self.drained(start.predecessor),
            on_disk,
        };
        self.tasks.spawn(driver.run(inputs, self.stop.clone()));
        let writing = write_tables(
            start.file,
            for_disk,
            written,
            self.metrics.clone(),
            self.yielded.clone(),
        );
        self.outward.spawn(writing);
        let links = Links {
            config: self.config.clone(),
            tls: self.connector.clone(),
            tables: self.tables.clone(),
            reports: latest_report,
            metrics: self.metrics.clone(),
        };
        self.outward.spawn(links.run(self.yielded.clone()));
    }

    /// Below which epoch no connection is left, here and at a router that was taken over.
    fn drained(&self, predecessor: Option<Predecessor>) -> watch::Receiver<Epoch> {
        let ours = self.connections.drained();
        let Some(predecessor) = predecessor else {
            return ours;
        };
        let (lower, both) = watch::channel(Epoch::ZERO);
        let lowering = lower_of(ours, predecessor.drained(), lower);
        let leading = predecessor.lead(self.route.clone());
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(lowering));
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(leading));
        both
    }

    /// Health, readiness and metrics.
    pub(crate) fn start_admin(&self, socket: TcpListener) {
        let admin = Admin {
            routes: self.route.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock,
        };
        self.tasks.spawn(admin.run(socket, self.yielded.clone()));
    }

    /// Looks after replaced certificates.
    pub(crate) fn start_certificates(&self, tls: Arc<Tls>) {
        self.tasks.spawn(certificates::keep_fresh(tls, self.stop.clone()));
    }

    /// Takes up changed settings.
    pub(crate) fn start_reload(&self, changes: watch::Receiver<Config>) {
        self.tasks
            .spawn(reload::take_up(self.config.clone(), changes, self.stop.clone()));
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
    pub(crate) fn start_mysql(&self, files: ClientFiles, sockets: impl Iterator<Item = (Port, TcpListener)>) {
        let split = self.start_split(files);
        let room = Arc::new(Room::default());
        let balance = Arc::new(Balance::default());
        for (port, socket) in sockets {
            let listener = Listener {
                name: port.name(),
                socket,
                room: room.clone(),
                config: self.config.clone(),
                plane: self.plane.clone(),
            };
            let (clients, accepting) = (self.clients.clone(), self.accepting.clone());
            if let (Port::Rw, Some(split)) = (port, &split) {
                let split = split.clone();
                let serve = move |client, slot| split.clone().serve(client, slot);
                self.tasks.spawn(listener.run(clients, accepting, serve));
                continue;
            }
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
                config: self.config.clone(),
                proxies: match port {
                    Port::Rw | Port::Ro => Proxies::of(&self.config.load()),
                    Port::Tunnel => Proxies::default(),
                },
            });
            let serve = move |client, slot| tunnel.clone().serve(client, slot);
            self.tasks.spawn(listener.run(clients, accepting, serve));
        }
    }

    /// Lets another process take over, and waits until the clients have left for it, for as long as they may, or until
    /// `shutdown`. Who is here goes on undisturbed.
    pub(crate) async fn hand_over(&self, mut successor: Successor, shutdown: &CancellationToken) {
        self.accepting.cancel();
        self.yielded.cancel();
        self.outward.close();
        self.outward.wait().await;
        let table = self.route.borrow().table().map(|table| RouteTable::clone(table));
        match successor.hand(table).await {
            Ok(()) => {
                let obeying = obey(successor, self.tables.clone(), self.connections.drained());
                self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(obeying));
            }
            Err(error) => tracing::error!(%error, "the process that was taking over is gone; start one"),
        }
        self.clients.close();
        let patience = self.config.load().limits.hand_over();
        tracing::info!(
            clients = self.clients.len(),
            ?patience,
            "another process took over; clients may go on here"
        );
        tokio::select! {
            () = self.clients.wait() => {}
            () = tokio::time::sleep(patience) => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// What serves `rw`. Without an account of its own the router cannot log in as its clients: then `rw` is carried
    /// unread, as `tunnel` is.
    fn start_split(&self, files: ClientFiles) -> Option<Arc<Split>> {
        let config = self.config.load_full();
        let Some(service) = &config.service else {
            tracing::warn!("`service` is not set: `listen.rw` goes to the primary, connection by connection");
            return None;
        };
        let around = Around {
            visitor: &self.visitor,
            routes: &self.route,
            connections: &self.connections,
            hold: &self.hold,
            metrics: &self.metrics,
            fleet: &self.fleet,
            registry: &self.registry,
            config: &self.config,
            clock: self.clock,
            tasks: &self.tasks,
            stop: &self.stop,
            stopping: &self.stopping,
            stopped: &self.stopped,
        };
        Some(start(&config, service, files, &around))
    }

    /// Lets clients end, then ends them. Supervisors hear of this router until its last client is gone.
    pub(crate) async fn end(self) {
        self.stopping.cancel();
        self.clients.close();
        let drain = self.config.load().limits.drain();
        if tokio::time::timeout(drain, self.clients.wait()).await.is_err() {
            tracing::info!(
                connections = self.connections.count(),
                "drain time is over; closing what is left"
            );
        }
        self.stopped.cancel();
        self.clients.wait().await;
        self.stop.cancel();
        self.outward.close();
        self.outward.wait().await;
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(plane) = Arc::into_inner(self.plane) {
            plane.end().await;
        }
    }
}
