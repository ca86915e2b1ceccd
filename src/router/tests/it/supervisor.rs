//! A supervisor's link port, as far as routers see it.

use std::net::SocketAddr;
use std::sync::Arc;

use quorate_api::link::{self, FromSupervisor, Hello, Peer, RefusalCode, ToSupervisor, Welcome};
use quorate_api::tls::{Role, peer_name};
use quorate_model::{Epoch, RouteTable, RouterReport, SupervisorId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::world::{CLUSTER, World, soon};

/// Pushes tables, hears reports. Dies when dropped.
pub(crate) struct Supervisor {
    pub(crate) id: SupervisorId,
    pub(crate) address: SocketAddr,
    tables: watch::Sender<Option<RouteTable>>,
    reports: watch::Receiver<Option<RouterReport>>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Desk {
    id: SupervisorId,
    tables: watch::Receiver<Option<RouteTable>>,
    reports: watch::Sender<Option<RouterReport>>,
}

impl Supervisor {
    pub(crate) async fn start(world: &World, id: &str) -> Self {
        let acceptor = TlsAcceptor::from(world.tls(Role::Supervisor, id).server_mutual());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let tables = watch::Sender::new(None);
        let (said, reports) = watch::channel(None);
        let stop = CancellationToken::new();
        let desk = Desk {
            id: id.into(),
            tables: tables.subscribe(),
            reports: said,
        };
        let (tasks, ended) = (TaskTracker::new(), stop.clone());
        let inner = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (desk, acceptor) = (desk.clone(), acceptor.clone());
                inner.spawn(ended.clone().run_until_cancelled_owned(desk.serve(acceptor, stream)));
            }
        }));
        Self {
            id: id.into(),
            address,
            tables,
            reports,
            stop,
        }
    }

    pub(crate) fn push(&self, table: RouteTable) {
        self.tables.send_replace(Some(table));
    }

    pub(crate) async fn report(&self, which: impl Fn(&RouterReport) -> bool) -> RouterReport {
        let mut reports = self.reports.clone();
        let found = soon("a report", reports.wait_for(|last| last.as_ref().is_some_and(&which))).await;
        found.unwrap().clone().unwrap()
    }

    pub(crate) async fn confirmed(&self, epoch: u64) -> RouterReport {
        self.report(|report| report.confirmed == Epoch(epoch)).await
    }

    pub(crate) fn last(&self) -> Option<RouterReport> {
        self.reports.borrow().clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Desk {
    async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            return;
        };
        let certs = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let name = peer_name(certs).unwrap();
        let hello: Hello = link::receive(&mut stream).await.unwrap();
        assert_eq!((name.role, name.name.as_str()), (Role::Router, "r1"));
        assert_eq!(hello.peer, Peer::Router { router: "r1".into() });
        if hello.cluster != CLUSTER.into() {
            let why = format!("this is cluster `{CLUSTER}`, not `{}`", hello.cluster);
            let _ = link::send(
                &mut stream,
                &Welcome::Refused {
                    code: RefusalCode::ForeignCluster,
                    why,
                },
            )
            .await;
            return;
        }
        link::send(
            &mut stream,
            &Welcome::Accepted {
                supervisor: self.id.clone(),
            },
        )
        .await
        .unwrap();
        let (mut from, mut to) = tokio::io::split(stream);
        let mut tables = self.tables;
        tables.mark_changed();
        let push = async {
            while tables.changed().await.is_ok() {
                let table = tables.borrow_and_update().clone();
                if let Some(table) = table
                    && link::send(&mut to, &FromSupervisor::Routes(table)).await.is_err()
                {
                    return;
                }
            }
        };
        let reports = Arc::new(self.reports);
        let hear = async {
            while let Ok(ToSupervisor::Router(report)) = link::receive(&mut from).await {
                reports.send_replace(Some(report));
            }
        };
        tokio::select! {
            () = push => {}
            () = hear => {}
        }
    }
}
