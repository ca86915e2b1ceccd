//! A group of nodes on loopback, each with its own runtime, disk and certificate. A crash ends the runtime at once.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quorate_model::{Change, Command, OperationId, UnixMillis};
use quorate_raft::{Config, Formation, LogError, Member, Node, Profile, Role, StartError, Tls};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::pki::{Authority, SUPERVISOR};

/// Longest wait for anything in a test; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A group.
pub(crate) struct Lab {
    pub(crate) authority: Authority,
    pub(crate) peers: Vec<Member>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) snapshot_every: u64,
    folder: TempDir,
}

/// One supervisor's place: its disk, and the process if it runs.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    running: Option<(Runtime, Node)>,
}

impl Lab {
    /// Three hosts, none running.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["s1", "s2", "s3"];
        let ports: Vec<TcpListener> = names.iter().map(|_| reserve()).collect();
        let peers = names.iter().zip(&ports).map(|(name, port)| Member {
            name: (*name).to_owned(),
            raft_addr: port.local_addr().unwrap().to_string(),
            api_addr: String::new(),
        });
        let hosts = names.iter().map(|name| Host {
            name: (*name).to_owned(),
            data_dir: folder.path().join(name),
            running: None,
        });
        Self {
            authority: Authority::new(),
            peers: peers.collect(),
            hosts: hosts.collect(),
            snapshot_every: 10_000,
            folder,
        }
    }

    /// Three hosts that have formed a group.
    pub(crate) fn formed() -> Self {
        let mut lab = Self::new();
        for host in 0..3 {
            lab.start(host);
        }
        lab.leader();
        for host in 0..3 {
            lab.until("the group is formed", |lab| {
                *lab.node(host).formation().borrow() == Formation::Member
            });
        }
        lab
    }

    pub(crate) fn config(&self, host: usize) -> Config {
        let listen: SocketAddr = self.peers[host].raft_addr.parse().unwrap();
        Config {
            name: self.hosts[host].name.clone(),
            data_dir: self.hosts[host].data_dir.clone(),
            listen,
            peers: self.peers.clone(),
            tls_server_name: SUPERVISOR.to_owned(),
            profile: Profile::Balanced,
            snapshot_every: self.snapshot_every,
        }
    }

    pub(crate) fn start(&mut self, host: usize) {
        let tls = self.authority.tls(SUPERVISOR);
        let config = self.config(host);
        self.start_with(host, &config, &tls).unwrap();
    }

    pub(crate) fn start_with(&mut self, host: usize, config: &Config, tls: &Tls) -> Result<(), StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        let node = loop {
            match runtime.block_on(Node::start(config.clone(), tls.clone())) {
                // A crashed process's threads let go of file and port a moment later.
                Err(StartError::Log(LogError::Open { .. }) | StartError::Listen { .. })
                    if Instant::now() < deadline =>
                {
                    std::thread::sleep(Duration::from_millis(2));
                }
                other => break other?,
            }
        };
        self.hosts[host].running = Some((runtime, node));
        Ok(())
    }

    /// Ends the process in the middle of whatever it does.
    pub(crate) fn crash(&mut self, host: usize) {
        if let Some((runtime, node)) = self.hosts[host].running.take() {
            drop(node);
            runtime.shutdown_background();
        }
    }

    /// Ends the process in order.
    pub(crate) fn stop(&mut self, host: usize) {
        if let Some((runtime, node)) = self.hosts[host].running.take() {
            runtime.block_on(node.shutdown());
        }
    }

    /// The disk is lost.
    pub(crate) fn wipe(&self, host: usize) {
        std::fs::remove_dir_all(&self.hosts[host].data_dir).unwrap();
    }

    pub(crate) fn node(&self, host: usize) -> Node {
        self.hosts[host].running.as_ref().unwrap().1.clone()
    }

    pub(crate) fn is_running(&self, host: usize) -> bool {
        self.hosts[host].running.is_some()
    }

    /// Runs a future on the host's runtime.
    pub(crate) fn on<T>(&self, host: usize, future: impl Future<Output = T>) -> T {
        self.hosts[host].running.as_ref().unwrap().0.block_on(future)
    }

    /// Waits for the one node that leads and whom a quorum has acknowledged.
    pub(crate) fn leader(&self) -> usize {
        let mut found = 0;
        self.until("there is a leader", |lab| {
            let leads = |host: &usize| {
                let node = lab.node(*host);
                let role = node.leadership().borrow().role;
                role == Role::Leader && node.quorum_acked_age().is_some()
            };
            let mut running = (0..3).filter(|host| lab.is_running(*host));
            running.find(leads).inspect(|host| found = *host).is_some()
        });
        found
    }

    /// Waits for a level, by polling.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "not in time: {what}\n{}", self.describe());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Commits a note through whoever leads.
    pub(crate) fn write(&self, key: &str) -> u64 {
        let mut index = 0;
        self.until("a write is committed", |lab| {
            let host = lab.leader();
            let node = lab.node(host);
            match lab.on(host, node.propose(&note(key))) {
                Ok((at, _)) => {
                    index = at;
                    true
                }
                Err(_) => false,
            }
        });
        index
    }

    /// Waits until a host has applied an index.
    pub(crate) fn until_applied(&self, host: usize, index: u64) {
        self.until("the entry is applied", |lab| {
            lab.node(host).watch_state().borrow().index >= Some(index)
        });
    }

    /// The keys of the notes that a host has applied.
    pub(crate) fn keys(&self, host: usize) -> Vec<String> {
        let state = self.node(host).state();
        let keys = state.journal.iter().map(|entry| entry.key.as_str().to_owned());
        keys.collect()
    }

    /// A folder for one more disk.
    pub(crate) fn spare_folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn describe(&self) -> String {
        let running = self.hosts.iter().filter_map(|host| {
            let (_, node) = host.running.as_ref()?;
            Some(format!(
                "{}: {:?}, {:?}, {:?}\n",
                host.name,
                *node.formation().borrow(),
                *node.leadership().borrow(),
                node.metrics(),
            ))
        });
        running.collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in 0..self.hosts.len() {
            self.crash(host);
        }
    }
}

/// A command without effect but its journal entry.
pub(crate) fn note(key: &str) -> Command {
    Command {
        key: OperationId::from(key),
        at: UnixMillis(0),
        by: "test".to_owned(),
        change: Change::Noted {
            what: "something".to_owned(),
            why: "a test".to_owned(),
        },
    }
}

/// A free port, held until the listener is dropped. Below the range from which the kernel takes ports for outgoing
/// connections, so that it is still free when a node comes to use it.
pub(crate) fn reserve() -> TcpListener {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = NEXT
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(std::process::id().wrapping_mul(61));
        let port = u16::try_from(20_000 + n % 12_000).unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}
