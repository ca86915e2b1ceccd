//! Played agents: they carry out orders on a pretended MariaDB and report as real ones do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_api::link::{FromSupervisor, Hello, PROTOCOL, Peer, ToSupervisor, Welcome, receive, send};
use quorate_api::tls::{Role, Tls, server_name};
use quorate_model::{
    AgentReport, DoorState, Epoch, Gtid, GtidSet, IoThread, LeaseKind, NodeId, Order, ProbeFacts, Progress, RouteTable,
    RouterReport, ServerFacts, ServerState, Task,
};
use tokio::io::split;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::group::Group;

type Nodes = Arc<Mutex<BTreeMap<NodeId, AgentReport>>>;

/// The agents of a cluster.
pub(crate) struct Agents {
    nodes: Nodes,
    changed: Arc<Notify>,
    /// Leases received.
    pub(crate) leases: Arc<Mutex<u64>>,
    _stop: DropGuard,
}

impl Agents {
    /// Pristine nodes `m1` to `m3`, each linked to every supervisor.
    pub(crate) fn start(group: &Group) -> Self {
        let nodes: Nodes = Arc::default();
        let changed = Arc::new(Notify::new());
        let leases = Arc::new(Mutex::new(0));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        for (name, server_id) in [("m1", 1), ("m2", 2), ("m3", 3)] {
            nodes.lock().unwrap().insert(name.into(), pristine(name, server_id));
            let tls = group.issue(Role::Agent, name);
            for link in group.links() {
                let agent = Agent {
                    node: name.into(),
                    nodes: nodes.clone(),
                    changed: changed.clone(),
                    leases: leases.clone(),
                    tls: tls.clone(),
                };
                let stop = stop.clone();
                tasks.spawn(async move {
                    stop.run_until_cancelled(agent.run(link)).await;
                });
            }
        }
        Self {
            nodes,
            changed,
            leases,
            _stop: stop.drop_guard(),
        }
    }

    /// The server of a node ends, as its parent sees it.
    pub(crate) fn kill(&self, node: &str) {
        let mut nodes = self.nodes.lock().unwrap();
        let report = nodes.get_mut(&NodeId::from(node)).unwrap();
        let end = facts(report).map(|facts| facts.binlog_pos.clone());
        report.server = ServerState::Down {
            exit: Some("killed by signal 9".to_owned()),
        };
        report.final_binlog = end;
        report.progress = Progress::Idle;
        report.boot_nonce += 1;
        report.source_silence = None;
        report.ackable.clear();
        report.door = DoorState::Closed;
        self.changed.notify_waiters();
    }

    pub(crate) fn progress(&self, node: &str) -> Progress {
        self.nodes.lock().unwrap()[&NodeId::from(node)].progress.clone()
    }
}

fn pristine(node: &str, server_id: u32) -> AgentReport {
    AgentReport {
        node: node.into(),
        incarnation: format!("{node}-directory").as_str().into(),
        server_id,
        boot_nonce: 1,
        seq: 0,
        promised: Epoch::ZERO,
        fenced: Epoch::ZERO,
        door: DoorState::Closed,
        ackable: [].into(),
        admitted: [].into(),
        server: ServerState::Running {
            facts: ServerFacts {
                read_only: true,
                ..ServerFacts::default()
            },
            age: Duration::ZERO,
        },
        progress: Progress::Idle,
        vouch: true,
        pristine: true,
        source_silence: None,
        probes: ProbeFacts::default(),
        lease: LeaseKind::None,
        final_binlog: None,
        order_index: 0,
        wants_handover: false,
        findings: Vec::new(),
        alike: BTreeMap::new(),
    }
}

fn facts(report: &mut AgentReport) -> Option<&mut ServerFacts> {
    match &mut report.server {
        ServerState::Running { facts, .. } => Some(facts),
        _ => None,
    }
}

struct Agent {
    node: NodeId,
    nodes: Nodes,
    changed: Arc<Notify>,
    leases: Arc<Mutex<u64>>,
    tls: Arc<Tls>,
}

impl Agent {
    async fn run(&self, link: String) {
        loop {
            let peer = Peer::Agent {
                node: self.node.clone(),
            };
            if let Ok((stream, Welcome::Accepted { .. })) = greet(&self.tls, &link, "test", peer).await {
                let (mut from, mut to) = split(stream);
                let hear = async {
                    while let Ok(frame) = receive::<FromSupervisor>(&mut from).await {
                        match frame {
                            FromSupervisor::Order(order) => self.obey(&order),
                            FromSupervisor::Lease(_) => *self.leases.lock().unwrap() += 1,
                            FromSupervisor::Routes(_) => {}
                        }
                    }
                };
                let tell = async {
                    while send(&mut to, &ToSupervisor::Agent(Box::new(self.report())))
                        .await
                        .is_ok()
                    {
                        let _ = timeout(Duration::from_millis(100), self.changed.notified()).await;
                    }
                };
                tokio::select! { () = hear => {}, () = tell => {} }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn report(&self) -> AgentReport {
        let mut nodes = self.nodes.lock().unwrap();
        let source = match &nodes[&self.node].progress {
            Progress::Following { source, .. } => Some(source.clone()),
            _ => None,
        };
        let arrived = source.and_then(|source| facts(nodes.get_mut(&source)?).map(|facts| facts.binlog_pos.clone()));
        let report = nodes.get_mut(&self.node).unwrap();
        report.seq += 1;
        if let Some(position) = arrived.filter(|position| !position.is_empty())
            && let Some(facts) = facts(report)
        {
            facts.received = position.clone();
            facts.applied = position.clone();
            facts.binlog_pos = position.clone();
            facts.binlog_state = facts.binlog_state.iter().chain(position.iter()).collect();
        }
        report.clone()
    }

    fn obey(&self, order: &Order) {
        let mut nodes = self.nodes.lock().unwrap();
        let report = nodes.get_mut(&self.node).unwrap();
        let down = matches!(report.server, ServerState::Down { .. });
        if order.epoch < report.promised || (down && order.task != Task::Revoke) {
            return;
        }
        report.promised = order.epoch;
        let epoch = order.epoch;
        match &order.task {
            Task::Revoke => {
                report.fenced = epoch;
                if down && !boots(report, epoch) {
                    return;
                }
                cut(report);
                report.progress = Progress::Revoked { epoch };
            }
            Task::Freeze { .. } => {
                let position = facts(report).unwrap().binlog_pos.clone();
                report.door = DoorState::Replicas { epoch };
                report.fenced = epoch;
                report.progress = Progress::Frozen { epoch, position };
            }
            Task::Follow { source, .. } => {
                cut(report);
                report.fenced = epoch;
                report.pristine = false;
                report.source_silence = Some(Duration::ZERO);
                let facts = facts(report).unwrap();
                (facts.io, facts.applier) = (IoThread::Yes, true);
                report.progress = Progress::Following {
                    epoch,
                    source: source.clone(),
                };
            }
            Task::Promote { ack_set, required, .. } => promote(report, epoch, ack_set.clone(), required),
            Task::Serve { ack_set, routers } => {
                (report.ackable, report.admitted) = (ack_set.clone(), routers.clone());
                facts(report).unwrap().read_only = false;
                report.door = DoorState::Open { epoch };
                report.progress = Progress::Serving { epoch };
            }
        }
        self.changed.notify_waiters();
    }
}

/// A server takes a while to boot: until the order was repeated a few times.
fn boots(report: &mut AgentReport, epoch: Epoch) -> bool {
    let asked = match &report.progress {
        Progress::Busy { doing, .. } => doing.parse().unwrap_or(0),
        _ => 0,
    };
    if asked < 3 {
        let doing = (asked + 1).to_string();
        report.progress = Progress::Busy { epoch, doing };
        return false;
    }
    let position = report.final_binlog.clone().unwrap_or_default();
    let facts = ServerFacts {
        binlog_pos: position.clone(),
        binlog_state: position.clone(),
        applied: position.clone(),
        received: position,
        read_only: true,
        ..ServerFacts::default()
    };
    let age = Duration::ZERO;
    report.server = ServerState::Running { facts, age };
    true
}

fn cut(report: &mut AgentReport) {
    report.source_silence = None;
    report.ackable.clear();
    report.admitted.clear();
    report.door = DoorState::Closed;
    if let Some(facts) = facts(report) {
        (facts.io, facts.semi_sync_armed, facts.read_only) = (IoThread::No, false, true);
    }
}

fn promote(report: &mut AgentReport, epoch: Epoch, ack_set: std::collections::BTreeSet<NodeId>, required: &GtidSet) {
    if report.progress.clone() == (Progress::Serving { epoch })
        || matches!(report.progress, Progress::Ready { epoch: at, .. } if at == epoch)
    {
        return;
    }
    let barrier = Gtid {
        domain: 0,
        server: report.server_id,
        seq: required.seq(0).unwrap_or_default() + 1,
    };
    cut(report);
    report.ackable = ack_set;
    report.door = DoorState::Replicas { epoch };
    report.fenced = epoch;
    report.pristine = false;
    let facts = facts(report).unwrap();
    let position: GtidSet = [barrier].into_iter().collect();
    facts.semi_sync_armed = true;
    facts.binlog_state.insert(barrier);
    facts.binlog_pos = position.clone();
    facts.applied = position.clone();
    facts.received = position;
    report.progress = Progress::Ready { epoch, barrier };
}

/// Dials a supervisor and says who it is.
pub(crate) async fn greet(
    tls: &Tls,
    link: &str,
    cluster: &str,
    peer: Peer,
) -> Result<(TlsStream<TcpStream>, Welcome), std::io::Error> {
    let stream = TcpStream::connect(link).await?;
    let name = server_name(Role::Supervisor, None).unwrap();
    let mut stream = TlsConnector::from(tls.client()).connect(name, stream).await?;
    let hello = Hello {
        protocol: PROTOCOL,
        cluster: cluster.into(),
        peer,
    };
    send(&mut stream, &hello).await.map_err(std::io::Error::other)?;
    let welcome = receive(&mut stream).await.map_err(std::io::Error::other)?;
    Ok((stream, welcome))
}

/// A router that confirms every table; returns the last one it saw through the channel.
pub(crate) async fn route(
    tls: Arc<Tls>,
    link: String,
    name: String,
    tables: tokio::sync::watch::Sender<Option<RouteTable>>,
) {
    let peer = Peer::Router {
        router: name.as_str().into(),
    };
    let (stream, _) = greet(&tls, &link, "test", peer).await.unwrap();
    let (mut from, mut to) = split(stream);
    let seen = tables.subscribe();
    let hear = async {
        while let Ok(FromSupervisor::Routes(table)) = receive(&mut from).await {
            tables.send_replace(Some(table));
        }
    };
    let tell = async {
        loop {
            let (confirmed, index) = seen
                .borrow()
                .as_ref()
                .map_or((Epoch::ZERO, 0), |table: &RouteTable| (table.epoch, table.index));
            let report = RouterReport {
                router: name.as_str().into(),
                confirmed,
                index,
                connections: 1,
                held: 0,
            };
            if send(&mut to, &ToSupervisor::Router(report)).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! { () = hear => {}, () = tell => {} }
}
