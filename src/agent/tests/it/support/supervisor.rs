//! A supervisor's end of the links. It keeps the last report of each agent and sends what the test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_api::link::{FromSupervisor, Hello, Peer, ToSupervisor, Welcome, receive, send};
use quorate_api::pki::Authority;
use quorate_api::tls::{Role, Tls};
use quorate_model::{AgentReport, Epoch, LeaseGrant, NodeId, Order, Task};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::LIMIT;

/// The supervisor.
pub(crate) struct FakeSupervisor {
    pub(crate) address: String,
    shared: Arc<Shared>,
    index: Mutex<u64>,
    _stop: DropGuard,
}

struct Shared {
    reports: watch::Sender<HashMap<NodeId, AgentReport>>,
    links: Mutex<HashMap<NodeId, mpsc::Sender<FromSupervisor>>>,
    /// Who is leased, for which epoch.
    leased: Mutex<Option<(NodeId, Epoch)>>,
}

pub(crate) const LEASE: Duration = Duration::from_millis(1500);

impl FakeSupervisor {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let tls = Tls::load(&authority.issue(Role::Supervisor, "s1", &[]).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            reports: watch::channel(HashMap::new()).0,
            links: Mutex::default(),
            leased: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let (accepting, serving) = (stop.clone(), shared.clone());
        TaskTracker::new().spawn(async move {
            let tasks = TaskTracker::new();
            let acceptor = TlsAcceptor::from(tls.server_mutual());
            loop {
                let stream = tokio::select! {
                    () = accepting.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                let (acceptor, shared, stop) = (acceptor.clone(), serving.clone(), accepting.clone());
                tasks.spawn(async move {
                    stream.set_nodelay(true).unwrap();
                    let Ok(link) = acceptor.accept(stream).await else {
                        return;
                    };
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = shared.serve(link) => {}
                    }
                });
            }
        });
        let index = Mutex::new(0);
        let stop = stop.drop_guard();
        Self {
            address,
            shared,
            index,
            _stop: stop,
        }
    }

    pub(crate) async fn order(&self, node: &str, epoch: u64, task: Task) {
        let index = {
            let mut index = self.index.lock().unwrap();
            *index += 1;
            *index
        };
        let epoch = Epoch(epoch);
        self.send(node, FromSupervisor::Order(Order { epoch, index, task }))
            .await;
    }

    pub(crate) async fn send(&self, node: &str, message: FromSupervisor) {
        let link = self.shared.links.lock().unwrap().get(&node.into()).cloned();
        link.expect("no link from that node").send(message).await.unwrap();
    }

    pub(crate) fn lease(&self, node: &str, epoch: u64) {
        *self.shared.leased.lock().unwrap() = Some((node.into(), Epoch(epoch)));
    }

    pub(crate) fn no_lease(&self) {
        *self.shared.leased.lock().unwrap() = None;
    }

    pub(crate) fn last(&self, node: &str) -> Option<AgentReport> {
        self.shared.reports.borrow().get(&node.into()).cloned()
    }

    /// The first report for which this holds.
    pub(crate) async fn until<T>(&self, node: &str, what: &str, mut holds: impl FnMut(&AgentReport) -> Option<T>) -> T {
        let mut reports = self.shared.reports.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = reports.borrow_and_update().get(&node.into()).and_then(&mut holds) {
                    return found;
                }
                reports.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(LIMIT, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("{node}: never came true: {what}; last report: {:#?}", self.last(node)),
        }
    }
}

impl Shared {
    async fn serve(&self, mut link: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
        let hello: Hello = receive(&mut link).await.unwrap();
        let Peer::Agent { node } = hello.peer else {
            panic!("not an agent: {hello:?}")
        };
        let accepted = Welcome::Accepted {
            supervisor: "s1".into(),
        };
        send(&mut link, &accepted).await.unwrap();
        let (orders, mut outgoing) = mpsc::channel(64);
        self.links.lock().unwrap().insert(node.clone(), orders.clone());
        let (mut from, mut to) = tokio::io::split(link);
        let listen = async {
            loop {
                let Ok(ToSupervisor::Agent(report)) = receive(&mut from).await else {
                    return;
                };
                let leased = self.leased.lock().unwrap().clone();
                if let Some((to, epoch)) = leased
                    && to == node
                {
                    let grant = LeaseGrant {
                        epoch,
                        seq: report.seq,
                        ttl: LEASE,
                    };
                    let _full = orders.try_send(FromSupervisor::Lease(grant));
                }
                self.reports.send_modify(|reports| {
                    reports.insert(node.clone(), *report);
                });
            }
        };
        let speak = async {
            while let Some(message) = outgoing.recv().await {
                if send(&mut to, &message).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = listen => {}
            () = speak => {}
        }
    }
}
