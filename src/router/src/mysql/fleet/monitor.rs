//! Reads every server's position again and again, through a connection of the router's own.
//!
//! ```text
//!   route table changed ──► Fleet::follow ──► one watcher per node: connect ──► read, sleep, read, …
//!                                               ▲          │ broke, or the position went back
//!                                               └── pause ◄┘ Fleet::doubt
//! ```
//! Without an account of its own the router reads no positions; then no replica's lag is known and none is read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_model::{Endpoint, Epoch, NodeId};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::choose::{Ask, Unfit, judge};
use super::lag::Reference;
use super::position::{Answer, QUESTION, Role, parse};
use super::positions::{Fleet, Server};
use super::registry::Registry;
use crate::config::{Config, Live};
use crate::core::connections::Connections;
use crate::core::fleet_metrics::{MonitorFailure, Replicas};
use crate::core::metrics::Metrics;
use crate::core::route::{Access, Route};
use crate::mysql::auth::service::{Service, ServiceLogin};
use crate::mysql::door::Visitor;

/// First and longest pause after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Longest login, and longest answer: a server that takes longer is not read from, and asked on a new connection.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How often gauges are set.
const GAUGES_EVERY: Duration = Duration::from_secs(1);

/// Everything that watching takes.
pub(crate) struct Monitor {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) registry: Arc<Registry>,
    /// `service` and `reads` are looked at.
    pub(crate) config: Live,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

/// What one watcher watches. Another epoch, address or role is another watch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Watch {
    endpoint: Endpoint,
    epoch: Epoch,
    role: Role,
}

/// Watchers by node.
#[derive(Debug, Default)]
struct Watchers {
    running: BTreeMap<NodeId, (Watch, CancellationToken)>,
    tasks: TaskTracker,
}

/// The monitor and what its watchers share.
struct Shared {
    monitor: Monitor,
    reference: Mutex<Reference>,
}

/// Why a watcher starts again.
struct Trouble {
    cause: MonitorFailure,
    why: String,
}

impl Monitor {
    /// Takes up every table and watches its servers until `stop`.
    pub(crate) async fn run(self, mut routes: watch::Receiver<Route>, stop: CancellationToken) {
        if self.config.load().service.is_none() {
            tracing::warn!("no `service` account is configured: replicas are not read, because their lag is not known");
        }
        let shared = Arc::new(Shared {
            monitor: self,
            reference: Mutex::default(),
        });
        let mut watchers = Watchers::default();
        routes.mark_changed();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = routes.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let route = routes.borrow_and_update().clone();
                    shared.take_up(&route, &mut watchers, &stop);
                }
                () = sleep(GAUGES_EVERY) => shared.set_gauges(),
            }
        }
        watchers.tasks.close();
        watchers.running.values().for_each(|(_, stop)| stop.cancel());
        watchers.tasks.wait().await;
    }
}

impl Shared {
    fn take_up(self: &Arc<Self>, route: &Route, watchers: &mut Watchers, stop: &CancellationToken) {
        let Some(table) = route.table() else {
            return;
        };
        let now = self.monitor.clock.now();
        if table.writable.is_some() {
            self.reference().opened(now);
        } else {
            self.reference().closed(now);
        }
        self.monitor.fleet.follow(table);
        let watch = |endpoint: &Endpoint, role| Watch {
            endpoint: endpoint.clone(),
            epoch: table.epoch,
            role,
        };
        let replicas = table.readable.iter().map(|endpoint| watch(endpoint, Role::Replica));
        let primary = table.writable.iter().map(|endpoint| watch(endpoint, Role::Primary));
        // The primary last: a node that is named twice is watched as what it is first of all.
        let wanted: BTreeMap<_, _> = replicas
            .chain(primary)
            .map(|watch| (watch.endpoint.node.clone(), watch))
            .collect();
        watchers.running.retain(|node, (watch, stop)| {
            let stays = wanted.get(node) == Some(watch);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for (node, watch) in wanted {
            watchers.running.entry(node).or_insert_with(|| {
                let stop = stop.child_token();
                watchers
                    .tasks
                    .spawn(self.clone().keep_watching(watch.clone(), stop.clone()));
                (watch, stop)
            });
        }
    }

    /// Watches one node until `stop` or the end of the epoch.
    async fn keep_watching(self: Arc<Self>, watch: Watch, stop: CancellationToken) {
        let mut pause = PAUSE.0;
        loop {
            let Some(seat) = self.monitor.connections.enter(watch.epoch) else {
                return;
            };
            let trouble = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = seat.ended() => return,
                trouble = self.watch(&watch, &mut pause) => trouble,
            };
            drop(seat);
            self.monitor.metrics.fleet.monitor_failed(trouble.cause);
            let node = &watch.endpoint.node;
            if let Some(server) = self.server(node) {
                // Whatever was known was known of a process that may be gone.
                self.monitor.fleet.doubt(&server);
                server.load.failed(self.monitor.clock.now());
            }
            // Once per outage, and only if it is one: the first attempt of an epoch often comes before the door opens. A good
            // reading resets the pause.
            if pause == PAUSE.0 * 2 {
                tracing::warn!(%node, why = trouble.why, "position cannot be read; the node is not read from meanwhile");
            } else {
                tracing::debug!(%node, why = trouble.why, "position cannot be read");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Connects and reads until something fails.
    async fn watch(&self, watch: &Watch, pause: &mut Duration) -> Trouble {
        let monitor = &self.monitor;
        let trouble = |cause, why: String| Trouble { cause, why };
        let Some(account) = account(&monitor.config.load()) else {
            return trouble(MonitorFailure::Connect, "no `service` account is configured".to_owned());
        };
        let access = match watch.role {
            Role::Primary => Access::Write,
            Role::Replica => Access::Read,
        };
        let connected = Service::connect(
            &monitor.visitor,
            &watch.endpoint,
            watch.epoch,
            access,
            &account,
            ANSWER_MAX,
        )
        .await;
        let mut service = match connected {
            Ok(service) => service,
            Err(error) => return trouble(MonitorFailure::Connect, error.to_string()),
        };
        loop {
            // Taken before the question: the answer is about this server, or there is none.
            let Some(server) = self.server(&watch.endpoint.node) else {
                return trouble(MonitorFailure::Query, "it left the route table".to_owned());
            };
            let (known, asked) = (server.applied(), monitor.clock.now());
            let rows = match service.rows(QUESTION, ANSWER_MAX).await {
                Ok(rows) => rows,
                Err(error) => return trouble(MonitorFailure::Query, error.to_string()),
            };
            let now = monitor.clock.now();
            let Some(answer) = parse(&rows, watch.role, asked) else {
                return trouble(MonitorFailure::Query, "its answer has no position".to_owned());
            };
            if answer.reading.sequence < known {
                let why = format!("it was at {known} and is at {} now", answer.reading.sequence);
                return trouble(MonitorFailure::WentBack, why);
            }
            server.load.answered(now.since(asked));
            self.learn(watch, &server, answer);
            *pause = PAUSE.0;
            sleep(monitor.config.load().reads.monitor()).await;
        }
    }

    fn learn(&self, watch: &Watch, server: &Server, answer: Answer) {
        let reading = answer.reading;
        let now = self.monitor.clock.now();
        let lag = match watch.role {
            Role::Primary => {
                self.reference().read(watch.epoch, reading);
                self.monitor.fleet.acknowledged(reading.sequence);
                self.monitor.fleet.set_ansi_quotes(answer.ansi_quotes);
                Some(Duration::ZERO)
            }
            Role::Replica => self.reference().lag(reading, now),
        };
        server.raise(reading.sequence);
        let became_known = server.lag().is_none() && lag.is_some();
        server.set_lag(lag, now);
        if became_known {
            self.monitor.fleet.changed();
        }
    }

    fn set_gauges(&self) {
        let view = self.monitor.fleet.view();
        let config = self.monitor.config.load();
        let ask = Ask::any(self.monitor.clock.now(), &config.reads);
        let mut count = Replicas::default();
        for server in &view.replicas {
            match judge(server, &ask) {
                Ok(()) => count.fit += 1,
                Err(Unfit::Lag { .. }) => count.lagging += 1,
                Err(Unfit::LagUnknown) => count.unknown += 1,
                Err(Unfit::Failed) => count.failed += 1,
            }
            let lag = server.lag().map_or(Duration::ZERO, |measured| measured.lag);
            count.lag_max = count.lag_max.max(lag);
        }
        self.monitor.metrics.fleet.replicas(count);
        self.monitor.metrics.fleet.sessions(self.monitor.registry.count());
    }

    fn server(&self, node: &NodeId) -> Option<Arc<Server>> {
        self.monitor.fleet.view().server(node).cloned()
    }

    fn reference(&self) -> MutexGuard<'_, Reference> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn account(config: &Config) -> Option<ServiceLogin> {
    config.service.as_ref().map(|service| ServiceLogin {
        user: service.user.clone(),
        password_file: service.password_file.clone(),
    })
}
