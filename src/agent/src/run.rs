//! Puts an agent together: checks everything first, then listens, then lets the machine decide.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::link::FailsafeGrant;
use quorate_api::tls::{Role, Tls};
use quorate_mariadb::act::Source;
use quorate_mariadb::secrets::Secrets;
use quorate_mariadb::{Connector, RelayLogs};
use quorate_model::{ClusterId, NodeId};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::door::{Gate, Listener, room_to_wait};
use crate::error::Error;
use crate::feed::{Answers, Caller, Relay, Stream};
use crate::links::{Frame, Link};
use crate::machine::{Event, Machine, Target};
use crate::memory;
use crate::prepare::{Prepared, prepare_server};
use crate::server::{Mood, Site};
use crate::shell::Shell;
use crate::signals::Signals;
use crate::{health, machine};

/// Events that wait for the owner task.
const EVENTS_MAX: usize = 256;
/// Answers to failsafe questions that wait.
const ANSWERS_MAX: usize = 4;
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
    let listeners = Listeners::bind(&config).await?;
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let server = tokio::select! {
        server = prepare_server(&config, &secrets) => server?,
        () = signals.asked(&shutdown) => return Ok(()),
    };
    tracing::info!(node = config.node, incarnation = %server.identity.incarnation, "agent starts");

    let (events, inbox) = mpsc::channel(EVENTS_MAX);
    let agent = Agent {
        caller: Caller {
            client: tls.client(),
            cluster: ClusterId::new(config.cluster.as_str()),
            node: NodeId::new(config.node.as_str()),
        },
        tls,
        events,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        config,
    };
    let _stop_at_the_end = agent.stop.clone().drop_guard();
    agent.spawn(agent.signals(signals, shutdown));
    let shell = agent.assemble(server, secrets, listeners);
    shell.run(inbox).await;
    agent.stop.cancel();
    agent.tasks.close();
    if tokio::time::timeout(TASKS_END_MAX, agent.tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    Ok(())
}

/// What every part is given.
struct Agent {
    config: Config,
    caller: Caller,
    tls: Arc<Tls>,
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Agent {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    fn signals(&self, signals: Signals, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        signals.run(self.tls.clone(), self.events.clone(), shutdown, self.stop.clone())
    }

    /// Starts every task but the owner's.
    fn assemble(&self, server: Prepared, secrets: Secrets, listeners: Listeners) -> Shell {
        let stop = || self.stop.clone();
        let identity = machine::Identity {
            node: self.caller.node.clone(),
            incarnation: server.identity.incarnation.clone(),
            server_id: server.identity.server_id,
        };
        let machine = Machine::new(identity, self.config.timing.settings(), server.durable, Clock.now());
        let (memory, wanted) = watch::channel(None);
        self.spawn(memory::keep(server.memory.clone(), wanted, self.events.clone(), stop()));

        let nudge = Arc::new(Notify::new());
        let site = self.site(server, secrets, &listeners.relay, nudge.clone());
        let gate = Gate::new(usize::try_from(self.config.door.connections_max).unwrap_or(usize::MAX));
        let door = Listener {
            gate: gate.clone(),
            tls: self.tls.clone(),
            cluster: self.caller.cluster.clone(),
            socket: site.config.layout.socket().to_owned(),
            direct_clients: self.config.door.direct_clients,
            events: self.events.clone(),
            tasks: self.tasks.clone(),
            waiting: room_to_wait(),
        };
        self.spawn(door.run(listeners.door, stop()));
        let stream = Stream::new(self.events.clone(), nudge);
        let relay_logs = site.connector.relay_logs().clone();
        let (relay, answers) = self.feed(listeners.relay, stream.clone(), relay_logs);
        let reports = self.links();
        let (said, heard) = watch::channel(None);
        if let Some(listener) = listeners.health {
            self.spawn(health::serve(listener, heard, gate.clone(), stop()));
        }
        Shell {
            machine,
            site,
            gate,
            stream,
            memory,
            relay,
            reports,
            answers,
            said,
            boot: None,
            own: Vec::new(),
        }
    }

    fn site(&self, server: Prepared, secrets: Secrets, relay: &TcpListener, nudge: Arc<Notify>) -> Arc<Site> {
        let configured = self.config.relay.listen;
        let relay = relay.local_addr().unwrap_or(configured);
        Arc::new(Site {
            node: self.caller.node.clone(),
            connector: Connector::new(&server.launch.layout, &secrets.agent),
            launch: server.launch,
            config: server.config,
            source: Source {
                host: relay.ip().to_string(),
                port: relay.port(),
                account: secrets.replication.clone(),
            },
            secrets,
            events: self.events.clone(),
            tasks: self.tasks.clone(),
            nudge,
            mood: Mood::new(),
        })
    }

    fn feed(
        &self,
        listener: TcpListener,
        stream: Arc<Stream>,
        relay_logs: Arc<RelayLogs>,
    ) -> (watch::Sender<Option<Target>>, Answering) {
        let (relay, target) = watch::channel(None);
        let (answers, answered) = mpsc::channel(ANSWERS_MAX);
        let feed = Relay {
            caller: self.caller.clone(),
            target: target.clone(),
            stream,
            relay_logs,
            tasks: self.tasks.clone(),
        };
        self.spawn(feed.run(listener, self.stop.clone()));
        let failsafe = Answers {
            caller: self.caller.clone(),
            target,
            events: self.events.clone(),
            answers: answered,
        };
        self.spawn(failsafe.run(self.stop.clone()));
        (relay, answers)
    }

    fn links(&self) -> watch::Sender<Option<Frame>> {
        let (reports, frames) = watch::channel(None);
        for supervisor in &self.config.supervisors {
            let link = Link {
                address: supervisor.address.clone(),
                caller: self.caller.clone(),
                reports: frames.clone(),
                events: self.events.clone(),
            };
            self.spawn(link.run(self.stop.clone()));
        }
        reports
    }
}

type Answering = mpsc::Sender<FailsafeGrant>;

/// Everything that is listened on, taken before anything is changed.
struct Listeners {
    door: TcpListener,
    relay: TcpListener,
    health: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, Error> {
        let door = listen("door.listen", config.door.listen).await?;
        let relay = listen("relay.listen", config.relay.listen).await?;
        let health = match &config.metrics {
            Some(metrics) => Some(listen("metrics.listen", metrics.listen).await?),
            None => None,
        };
        Ok(Self { door, relay, health })
    }
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
