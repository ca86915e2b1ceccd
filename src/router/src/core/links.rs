//! Links to every supervisor: tables come in, reports go out.
//!
//! All links are alike. The router does not know who leads; the order of issue of the tables says which one counts.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::backoff::Backoff;
use quorate_api::link::{self, FromSupervisor, Hello, LinkError, PROTOCOL, Peer, ToSupervisor, Welcome};
use quorate_api::tls::{Role, TlsError, server_name};
use quorate_model::{ClusterId, RouteTable, RouterId, RouterReport, SupervisorId};
use thiserror::Error;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Config;
use crate::config::Live;
use crate::core::metrics::Metrics;
use crate::core::socket;

/// Longest attempt to connect and greet.
const GREET_WITHIN: Duration = Duration::from_secs(2);
/// Unacknowledged reports after which a link is dead. Several reports are under way in that time.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// How often the configured supervisors are compared with those that are linked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The links to all supervisors that are configured at the moment.
pub(crate) struct Links {
    pub(crate) config: Live,
    pub(crate) tls: TlsConnector,
    pub(crate) tables: mpsc::Sender<RouteTable>,
    pub(crate) reports: watch::Receiver<Option<RouterReport>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// One supervisor's link.
struct Link {
    supervisor: SupervisorId,
    address: String,
    hello: Hello,
    tls: TlsConnector,
    tables: mpsc::Sender<RouteTable>,
    reports: watch::Receiver<Option<RouterReport>>,
    metrics: Arc<Metrics>,
}

/// Why a link ended or did not come about.
#[derive(Debug, Error)]
enum Broken {
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("no answer within {GREET_WITHIN:?}")]
    TooSlow,
    #[error("the certificates do not fit")]
    Name(#[source] TlsError),
    #[error("refused: {0}")]
    Refused(String),
    #[error("the link ended")]
    Talk(#[source] LinkError),
    #[error("the supervisor sent a frame that is not for routers; is the address another role's?")]
    NotForUs,
    #[error("the supervisor sent a table of cluster `{0}`")]
    ForeignTable(ClusterId),
    #[error("the router stops")]
    Stopping,
}

/// The first frame of a router's link.
fn hello(cluster: &ClusterId, router: &RouterId) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster: cluster.clone(),
        peer: Peer::Router { router: router.clone() },
    }
}

impl Links {
    /// Keeps them up until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let mut linked: BTreeMap<SupervisorId, (String, CancellationToken)> = BTreeMap::new();
        while !stop.is_cancelled() {
            let config = self.config.load_full();
            linked.retain(|supervisor, (address, end)| {
                let stays = config.supervisors.get(supervisor) == Some(address);
                if !stays {
                    end.cancel();
                }
                stays
            });
            for (supervisor, address) in &config.supervisors {
                linked.entry(supervisor.clone()).or_insert_with(|| {
                    let end = stop.child_token();
                    let link = self.link(supervisor, address, &config);
                    tasks.spawn(link.run(end.clone()));
                    (address.clone(), end)
                });
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    fn link(&self, supervisor: &SupervisorId, address: &str, config: &Config) -> Link {
        Link {
            supervisor: supervisor.clone(),
            address: address.to_owned(),
            hello: hello(&config.cluster, &config.router),
            tls: self.tls.clone(),
            tables: self.tables.clone(),
            reports: self.reports.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

impl Link {
    /// Keeps the link up until `stop`.
    async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new();
        let mut last = String::new();
        loop {
            let mut up = None;
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.session(&mut up) => ended,
            };
            let mut why = describe(&ended);
            let lived = up.map(|up: Instant| up.elapsed());
            match lived {
                Some(lived) if Backoff::is_short(lived) => {
                    why.push_str("; it had hardly begun: does another router run under this id?");
                }
                Some(_) => last.clear(),
                None => {}
            }
            if why != last {
                tracing::warn!(supervisor = %self.supervisor, address = self.address, why, "link to supervisor is down");
                last = why;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff.after(lived)) => {}
            }
        }
    }

    /// One life of the link. It ends only by an error. Tells since when it was up.
    async fn session(&mut self, up: &mut Option<Instant>) -> Broken {
        let stream = match timeout(GREET_WITHIN, self.greet()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(broken)) => return broken,
            Err(_) => return Broken::TooSlow,
        };
        *up = Some(Instant::now());
        tracing::info!(supervisor = %self.supervisor, address = self.address, "link to supervisor is up");
        self.metrics.links.increment(1.0);
        let (reader, writer) = tokio::io::split(stream);
        let ended = tokio::select! {
            ended = receive(reader, &self.hello.cluster, &self.tables) => ended,
            ended = send(writer, &mut self.reports) => ended,
        };
        self.metrics.links.decrement(1.0);
        ended
    }

    async fn greet(&self) -> Result<TlsStream<TcpStream>, Broken> {
        let name = server_name(Role::Supervisor, Some(self.supervisor.as_str())).map_err(Broken::Name)?;
        let stream = TcpStream::connect(&self.address).await.map_err(Broken::Connect)?;
        socket::tune_link(&stream, SILENCE_MAX).map_err(Broken::Connect)?;
        let mut stream = self.tls.connect(name, stream).await.map_err(Broken::Connect)?;
        link::send(&mut stream, &self.hello).await.map_err(Broken::Talk)?;
        match link::receive(&mut stream).await.map_err(Broken::Talk)? {
            Welcome::Accepted { .. } => Ok(stream),
            Welcome::Refused { why, .. } => Err(Broken::Refused(why)),
        }
    }
}

async fn receive(
    mut from: ReadHalf<TlsStream<TcpStream>>,
    cluster: &ClusterId,
    tables: &mpsc::Sender<RouteTable>,
) -> Broken {
    loop {
        match link::receive(&mut from).await {
            Ok(FromSupervisor::Routes(table)) if table.cluster == *cluster => {
                if tables.send(table).await.is_err() {
                    return Broken::Stopping;
                }
            }
            Ok(FromSupervisor::Routes(table)) => return Broken::ForeignTable(table.cluster),
            Ok(FromSupervisor::Order(_) | FromSupervisor::Lease(_)) => return Broken::NotForUs,
            Err(error) => return Broken::Talk(error),
        }
    }
}

/// Sends the latest report whenever it is replaced; the machine repeats it, so that this is the heartbeat too.
async fn send(mut to: WriteHalf<TlsStream<TcpStream>>, reports: &mut watch::Receiver<Option<RouterReport>>) -> Broken {
    reports.mark_changed();
    loop {
        if reports.changed().await.is_err() {
            return Broken::Stopping;
        }
        let report = reports.borrow_and_update().clone();
        if let Some(report) = report
            && let Err(error) = link::send(&mut to, &ToSupervisor::Router(report)).await
        {
            return Broken::Talk(error);
        }
    }
}

/// An error with its causes, for a log line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
