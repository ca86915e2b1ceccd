//! A group of supervisors on loopback.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quorate_api::client::Client;
use quorate_api::pki::Authority;
use quorate_api::rest::{AccessRole, PhaseView, StatusView, TokenRecord, token_hash};
use quorate_api::tls::{Role, Tls, TlsFiles};
use quorate_supervisor::config::{ClusterConfig, ListenConfig, NodeConfig, PeerConfig, PolicyConfig, RaftProfile};
use quorate_supervisor::{Config, Error};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Long enough for a loaded machine; a healthy one needs a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Group {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
    pub(crate) configs: BTreeMap<String, Config>,
    stops: BTreeMap<String, CancellationToken>,
    tasks: TaskTracker,
}

impl Drop for Group {
    fn drop(&mut self) {
        for stop in self.stops.values() {
            stop.cancel();
        }
    }
}

impl Group {
    /// Prepares `count` supervisors over the nodes `m1` to `m3`; starts none.
    pub(crate) fn new(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(&dir.path().join("pki"), "test").unwrap();
        let ports = free_ports(count * 3);
        let peers: Vec<PeerConfig> = ports
            .chunks(3)
            .zip(1..)
            .map(|(ports, number)| PeerConfig {
                id: format!("s{number}"),
                raft: format!("127.0.0.1:{}", ports[0]),
                link: format!("127.0.0.1:{}", ports[1]),
                api: format!("https://127.0.0.1:{}", ports[2]),
            })
            .collect();
        let tokens_file = dir.path().join("tokens.json");
        let token = |name: &str, role| TokenRecord {
            name: name.to_owned(),
            role,
            sha256: token_hash(name),
        };
        let tokens = [
            token("viewer", AccessRole::Viewer),
            token("operator", AccessRole::Operator),
            token("admin", AccessRole::Admin),
        ];
        std::fs::write(&tokens_file, serde_json::to_vec(&tokens).unwrap()).unwrap();
        let configs = peers.iter().zip(ports.chunks(3)).map(|(peer, ports)| {
            let at = |port: u16| format!("127.0.0.1:{port}").parse().unwrap();
            let config = Config {
                id: peer.id.clone(),
                cluster: cluster(),
                peers: peers.clone(),
                listen: ListenConfig {
                    raft: at(ports[0]),
                    link: at(ports[1]),
                    api: at(ports[2]),
                },
                data_dir: dir.path().join(&peer.id),
                tls: authority.issue(Role::Supervisor, &peer.id, &[]).unwrap(),
                tokens_file: tokens_file.clone(),
                raft_profile: RaftProfile::Balanced,
            };
            (peer.id.clone(), config)
        });
        let configs = configs.collect();
        Self {
            dir,
            authority,
            configs,
            stops: BTreeMap::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Starts every supervisor.
    pub(crate) fn start(&mut self) {
        for id in self.configs.keys().cloned().collect::<Vec<_>>() {
            self.start_one(&id);
        }
    }

    pub(crate) fn start_one(&mut self, id: &str) {
        let stop = CancellationToken::new();
        let config = self.configs[id].clone();
        self.stops.insert(id.to_owned(), stop.clone());
        self.tasks.spawn(async move {
            let id = config.id.clone();
            if let Err(error) = quorate_supervisor::run(config, stop).await {
                eprintln!("supervisor {id} ended: {}", chain(&error));
            }
        });
    }

    pub(crate) fn client(&self, token: &str) -> Client {
        let ca = std::fs::read(&self.configs["s1"].tls.ca).unwrap();
        let bases = self
            .configs
            .values()
            .next()
            .unwrap()
            .peers
            .iter()
            .map(|peer| peer.api.clone())
            .collect();
        Client::new(bases, token, &ca).unwrap()
    }

    /// Certificates for an agent or router.
    pub(crate) fn issue(&self, role: Role, name: &str) -> Arc<Tls> {
        Tls::load(&self.authority.issue(role, name, &[]).unwrap()).unwrap()
    }

    pub(crate) fn links(&self) -> Vec<String> {
        self.configs
            .values()
            .map(|config| config.listen.link.to_string())
            .collect()
    }

    /// Waits until the leader's status satisfies `wanted`.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&StatusView) -> bool) -> StatusView {
        let client = self.client("viewer");
        let begin = Instant::now();
        let mut last = String::new();
        while begin.elapsed() < PATIENCE {
            match client.status().await {
                Ok(status) if status.from_leader && wanted(&status) => return status,
                Ok(status) => last = format!("{status:#?}"),
                Err(error) => last = error.to_string(),
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("not within {PATIENCE:?}: {what}; last: {last}");
    }

    pub(crate) async fn until_open(&self, epoch: u64) -> StatusView {
        self.until("open", |status| {
            let cluster = &status.clusters[0];
            cluster.epoch >= epoch && cluster.phase == PhaseView::Open
        })
        .await
    }

    pub(crate) async fn stop_one(&mut self, id: &str) {
        self.stops.remove(id).unwrap().cancel();
        sleep(Duration::from_millis(100)).await;
    }

    /// Stops everything; fails if something does not end.
    pub(crate) async fn stop(mut self) {
        for stop in std::mem::take(&mut self.stops).into_values() {
            stop.cancel();
        }
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.unwrap();
    }
}

pub(crate) fn cluster() -> ClusterConfig {
    let node = |door: &str| NodeConfig {
        door: door.to_owned(),
        priority: 100,
    };
    ClusterConfig {
        id: "test".to_owned(),
        name: "test".to_owned(),
        nodes: [
            ("m1".to_owned(), node("127.0.0.1:1")),
            ("m2".to_owned(), node("127.0.0.1:2")),
            ("m3".to_owned(), node("127.0.0.1:3")),
        ]
        .into(),
        policy: PolicyConfig::default(),
    }
}

/// Runs a supervisor that must not start.
pub(crate) async fn refused(config: Config) -> Error {
    let run = quorate_supervisor::run(config, CancellationToken::new());
    timeout(PATIENCE, run).await.unwrap().unwrap_err()
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Free ports below the range from which the kernel takes ports for outgoing connections, so that they are still free when a
/// supervisor comes to use them.
fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut ports = Vec::new();
    while ports.len() < count {
        let number = NEXT
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(std::process::id().wrapping_mul(61));
        let port = u16::try_from(20_000 + number % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    ports
}

pub(crate) fn missing(files: &TlsFiles) -> PathBuf {
    files.cert.with_extension("gone")
}
