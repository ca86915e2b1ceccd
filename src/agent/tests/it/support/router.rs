//! A router for tests: a plain port that leads through one door.

use std::sync::Arc;

use mysql_async::{Conn, OptsBuilder};
use quorate_api::link::{DoorHello, DoorWelcome, PROTOCOL, Purpose, receive, send};
use quorate_api::pki::Authority;
use quorate_api::tls::{Role, Tls, server_name};
use quorate_model::Epoch;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub(crate) struct MiniRouter {
    tls: Arc<Tls>,
    name: String,
}

/// A plain port towards one door under one epoch. Connections outlive it.
pub(crate) struct Port {
    port: u16,
    _stop: DropGuard,
}

impl MiniRouter {
    pub(crate) fn new(authority: &Authority, name: &str) -> Self {
        let files = authority.issue(Role::Router, name, &[]).unwrap();
        Self {
            tls: Tls::load(&files).unwrap(),
            name: name.to_owned(),
        }
    }

    /// Greets a door and says what it answered.
    pub(crate) async fn dial(&self, node: &str, door: &str, hello: &DoorHello) -> (TlsStream<TcpStream>, DoorWelcome) {
        let stream = TcpStream::connect(door).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = server_name(Role::Agent, Some(node)).unwrap();
        let mut tls = TlsConnector::from(self.tls.client())
            .connect(name, stream)
            .await
            .unwrap();
        send(&mut tls, hello).await.unwrap();
        let welcome = receive(&mut tls).await.unwrap();
        (tls, welcome)
    }

    pub(crate) fn hello(&self, epoch: u64, write: bool) -> DoorHello {
        DoorHello {
            protocol: PROTOCOL,
            cluster: "test".into(),
            epoch: Epoch(epoch),
            purpose: Purpose::Client {
                router: self.name.as_str().into(),
                write,
                waits: false,
            },
        }
    }

    pub(crate) async fn port(self: &Arc<Self>, node: &str, door: &str, epoch: u64) -> Port {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let (token, router) = (stop.clone(), self.clone());
        let (node, door) = (node.to_owned(), door.to_owned());
        TaskTracker::new().spawn(async move {
            let tasks = TaskTracker::new();
            loop {
                let mut client = tokio::select! {
                    () = token.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                client.set_nodelay(true).unwrap();
                let (router, node, door) = (router.clone(), node.clone(), door.clone());
                tasks.spawn(async move {
                    let (mut server, welcome) = router.dial(&node, &door, &router.hello(epoch, true)).await;
                    if !matches!(welcome, DoorWelcome::Admitted { .. }) {
                        return;
                    }
                    let _either_side_may_end_it = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Port {
            port,
            _stop: stop.drop_guard(),
        }
    }
}

impl Port {
    pub(crate) async fn app(&self) -> mysql_async::Result<Conn> {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .prefer_socket(false)
            .user(Some("app"))
            .pass(Some("app-secret"));
        Conn::new(opts).await
    }
}
