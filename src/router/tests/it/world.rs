//! What every test needs: certificates, a router, and patience.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_api::pki::Authority;
use quorate_api::tls::{Role, Tls, TlsFiles};
use quorate_model::{Endpoint, Epoch, RouteTable};
use quorate_router::{Config, Limits, Listen, Router, ServerSide};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::Door;
use crate::supervisor::Supervisor;

pub(crate) const CLUSTER: &str = "lab";

/// Far beyond anything that a passing test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A folder with an authority.
pub(crate) struct World {
    dir: TempDir,
    authority: Authority,
}

/// A router that runs.
pub(crate) struct Running {
    pub(crate) rw: SocketAddr,
    pub(crate) ro: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(&dir.path().join("pki"), "test").unwrap();
        Self { dir, authority }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn files(&self, role: Role, name: &str) -> TlsFiles {
        self.authority.issue(role, name, &[]).unwrap()
    }

    pub(crate) fn tls(&self, role: Role, name: &str) -> Arc<Tls> {
        Tls::load(&self.files(role, name)).unwrap()
    }

    /// Router `r1` with short limits, free ports and these supervisors.
    pub(crate) fn config(&self, supervisors: &[&Supervisor]) -> Config {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut links: std::collections::BTreeMap<_, _> = supervisors
            .iter()
            .map(|supervisor| (supervisor.id.clone(), supervisor.address.to_string()))
            .collect();
        if links.is_empty() {
            // Discard: nobody listens there.
            links.insert("s1".into(), "127.0.0.1:9".to_owned());
        }
        Config {
            router: "r1".into(),
            cluster: CLUSTER.into(),
            supervisors: links,
            listen: Listen {
                rw: any,
                ro: any,
                tunnel: None,
                admin: Some(any),
                proxy_from: Vec::new(),
            },
            tls: self.files(Role::Router, "r1"),
            state_file: self.path("state/r1.routes"),
            threads: 1,
            limits: Limits {
                hold_wait_ms: 60_000,
                drain_ms: 0,
                ..Limits::default()
            },
            reads: quorate_router::Reads::default(),
            pool: quorate_router::Pooling::default(),
            service: None,
            credentials_file: None,
            client_tls: None,
            server: ServerSide::default(),
            local_infile: true,
        }
    }

    pub(crate) async fn router(&self, supervisors: &[&Supervisor]) -> Running {
        Running::start(self.config(supervisors)).await
    }
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        Self::of(Router::bind(config).await.unwrap())
    }

    pub(crate) fn of(router: Router) -> Self {
        let (_same, changes) = tokio::sync::watch::channel(router.config().clone());
        Self::changing(router, changes)
    }

    /// One whose settings change.
    pub(crate) fn changing(router: Router, changes: tokio::sync::watch::Receiver<Config>) -> Self {
        let (rw, ro) = router.addresses().unwrap();
        let admin = router.admin_address();
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(router.run_changing(changes, shutdown.clone()));
        tasks.close();
        Self {
            rw,
            ro,
            admin,
            shutdown,
            tasks,
        }
    }

    /// Asks it to stop.
    pub(crate) fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn stopped(&self) {
        soon("the router stops", self.tasks.wait()).await;
    }

    pub(crate) async fn stop(self) {
        self.ask_to_stop();
        self.stopped().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A table of the test cluster.
pub(crate) fn table(epoch: u64, index: u64, writable: Option<&Door>, readable: &[&Door]) -> RouteTable {
    RouteTable {
        cluster: CLUSTER.into(),
        epoch: Epoch(epoch),
        index,
        revision: 0,
        writable: writable.map(Door::endpoint),
        elected: None,
        readable: readable.iter().map(|door| door.endpoint()).collect(),
    }
}

pub(crate) fn endpoint(node: &str, address: SocketAddr) -> Endpoint {
    Endpoint {
        node: node.into(),
        door: address.to_string(),
    }
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// The name that a test door greets with: who is at the other end.
pub(crate) async fn greeting(client: &mut TcpStream) -> String {
    let mut name = [0; 2];
    soon("a greeting", client.read_exact(&mut name)).await.unwrap();
    String::from_utf8(name.to_vec()).unwrap()
}

/// Everything until the connection is closed in order; a reset fails the test.
pub(crate) async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    soon("the end of the connection", client.read_to_end(&mut bytes))
        .await
        .unwrap();
    bytes
}

/// Code and text of an ERR packet in place of a greeting.
pub(crate) async fn refusal(client: &mut TcpStream) -> (u16, String) {
    let packet = rest(client).await;
    assert_eq!(packet.get(3..5), Some(&[0, 0xff][..]), "{packet:?}");
    (
        u16::from_le_bytes([packet[5], packet[6]]),
        String::from_utf8(packet[7..].to_vec()).unwrap(),
    )
}

pub(crate) fn write_file(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
