//! A door that lets every router in, under epoch 1.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use quorate_api::link::{self, DoorHello, DoorWelcome};
use quorate_api::pki::Authority;
use quorate_api::tls::{Role, Tls};
use quorate_model::{Endpoint, Epoch, RouteTable};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{ClientTls, Config};
use crate::mysql::door::Visitor;

pub(super) struct Door {
    pub(super) address: SocketAddr,
    authority: Authority,
    dir: TempDir,
    stop: CancellationToken,
}

impl Door {
    pub(super) async fn open(socket: PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(&dir.path().join("pki"), "test").unwrap();
        let tls = Tls::load(&authority.issue(Role::Agent, "m1", &[]).unwrap()).unwrap();
        let acceptor = TlsAcceptor::from(tls.server_mutual());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (inner, ended) = (tasks.clone(), stop.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                inner.spawn(ended.clone().run_until_cancelled_owned(async move {
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    let hello: DoorHello = link::receive(&mut stream).await.unwrap();
                    let welcome = DoorWelcome::Admitted { epoch: hello.epoch };
                    link::send(&mut stream, &welcome).await.unwrap();
                    let mut server = UnixStream::connect(socket).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                }));
            }
        }));
        Self {
            address,
            authority,
            dir,
            stop,
        }
    }

    pub(super) fn visitor(&self) -> Visitor {
        let tls = Tls::load(&self.authority.issue(Role::Router, "r1", &[]).unwrap()).unwrap();
        Visitor {
            cluster: "lab".into(),
            router: "r1".into(),
            tls: crate::core::sealed::unlocked(&tls.client()),
            config: Arc::new(ArcSwap::from_pointee(settings())),
        }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint {
            node: "m1".into(),
            door: self.address.to_string(),
        }
    }

    pub(super) fn table(&self) -> RouteTable {
        RouteTable {
            cluster: "lab".into(),
            epoch: Epoch(1),
            index: 1,
            revision: 1,
            writable: Some(self.endpoint()),
            elected: None,
            readable: Vec::new(),
        }
    }

    /// A certificate for clients to see, and its root.
    pub(super) fn certificate(&self) -> (ClientTls, PathBuf) {
        let files = self
            .authority
            .issue(Role::Router, "front", &["127.0.0.1".into()])
            .unwrap();
        let tls = ClientTls {
            cert: files.cert,
            key: files.key,
            ca: None,
            required: true,
        };
        (tls, files.ca)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// As good as any; only the time for a dial matters.
fn settings() -> Config {
    let settings = serde_json::json!({
        "router": "r1",
        "cluster": "lab",
        "supervisors": {"s1": "127.0.0.1:9"},
        "tls": {"ca": "", "cert": "", "key": ""},
        "state_file": "",
        "limits": {"dial_timeout_ms": 10_000, "handshake_ms": 30_000, "hold_wait_ms": 30_000},
    });
    serde_json::from_value(settings).unwrap()
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
