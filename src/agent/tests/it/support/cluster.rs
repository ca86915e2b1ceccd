//! Agents in this process, each with its own server, and the usual moves of a supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use quorate_agent::{Config, Door, Error, Relay, Server, Sizes, Supervisor, Timing, run};
use quorate_api::pki::Authority;
use quorate_api::tls::Role;
use quorate_model::{AgentReport, GtidSet, IoThread, NodeId, Progress, RouterId, ServerFacts, ServerState, Task};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ports::free_address;
use super::router::Port;
use super::{FakeSupervisor, LIMIT, MiniRouter, logging, template, timed};

pub(crate) struct Agent {
    pub(crate) config: Config,
    stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

/// The fixture. Dropping it kills every server: each agent's task is aborted, which drops the child.
pub(crate) struct Cluster {
    pub(crate) supervisor: FakeSupervisor,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) router: Arc<MiniRouter>,
    pub(crate) authority: Authority,
    pub(crate) home: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for agent in self.agents.values() {
            agent.task.abort();
            let pid = agent.config.server.home.join("mariadbd.pid");
            if let Some(pid) = std::fs::read_to_string(pid)
                .ok()
                .and_then(|text| text.trim().parse().ok())
            {
                kill(pid);
            }
        }
    }
}

pub(crate) fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

impl Cluster {
    /// Agents with servers behind the gate.
    pub(crate) async fn gated(nodes: &[&str]) -> Self {
        logging();
        let home = TempDir::new().unwrap();
        let authority = Authority::create(&home.path().join("pki"), "test").unwrap();
        let supervisor = FakeSupervisor::start(&authority).await;
        let router = Arc::new(MiniRouter::new(&authority, "r1"));
        let mut cluster = Self {
            supervisor,
            agents: BTreeMap::new(),
            router,
            authority,
            home,
        };
        let what = format!("{} agents: start to gated servers", nodes.len());
        timed(&what, async {
            for (i, node) in nodes.iter().enumerate() {
                let config = cluster.config(node, u32::try_from(i).unwrap() + 1);
                cluster.start(config);
            }
            for node in nodes {
                cluster
                    .supervisor
                    .until(node, "vouches", |report| report.vouch.then_some(()))
                    .await;
            }
        })
        .await;
        cluster
    }

    /// `m1` open under epoch 1, the others attached and in its ack set, table `app.t` everywhere.
    pub(crate) async fn open(nodes: &[&str]) -> Self {
        let cluster = Self::gated(nodes).await;
        cluster.elect("m1", 1, &nodes[1..], &nodes[1..], &GtidSet::new()).await;
        cluster.open_under("m1", 1, &nodes[1..]).await;
        let mut app = cluster.port("m1", 1).await.app().await.unwrap();
        app.query_drop("CREATE DATABASE app").await.unwrap();
        app.query_drop("CREATE TABLE app.t (id BIGINT UNSIGNED PRIMARY KEY)")
            .await
            .unwrap();
        for node in &nodes[1..] {
            cluster.attached(node).await;
        }
        cluster
    }

    pub(crate) fn config(&self, node: &str, server_id: u32) -> Config {
        Config {
            node: node.to_owned(),
            cluster: "test".to_owned(),
            supervisors: vec![Supervisor {
                address: self.supervisor.address.clone(),
            }],
            door: Door {
                listen: free_address(),
                direct_clients: false,
                connections_max: 100,
            },
            relay: Relay { listen: free_address() },
            server: Server {
                home: self.home.path().join(node),
                socket: None,
                server_id,
                mariadbd: None,
                install_db: None,
                run_as: None,
                include: None,
                template: Some(template().datadir.clone()),
                sizes: Sizes {
                    buffer_pool_mib: 16,
                    ..Sizes::default()
                },
            },
            tls: self.authority.issue(Role::Agent, node, &[]).unwrap(),
            secrets_dir: template().secrets.clone(),
            metrics: None,
            timing: Timing::default(),
        }
    }

    pub(crate) fn start(&mut self, config: Config) {
        let stop = CancellationToken::new();
        let task = TaskTracker::new().spawn(run(config.clone(), stop.clone()));
        self.agents.insert(config.node.clone(), Agent { config, stop, task });
    }

    /// Knows an agent that runs elsewhere.
    pub(crate) fn adopt(&mut self, config: Config) {
        let (stop, task) = (CancellationToken::new(), TaskTracker::new().spawn(async { Ok(()) }));
        self.agents.insert(config.node.clone(), Agent { config, stop, task });
    }

    pub(crate) fn ask_to_stop(&self, node: &str) {
        self.agents[node].stop.cancel();
    }

    pub(crate) async fn stopped(&mut self, node: &str) -> Result<(), Error> {
        let agent = self.agents.get_mut(node).unwrap();
        tokio::time::timeout(LIMIT, &mut agent.task).await.unwrap().unwrap()
    }

    pub(crate) fn door(&self, node: &str) -> String {
        self.agents[node].config.door.listen.to_string()
    }

    pub(crate) fn pid(&self, node: &str) -> i32 {
        let file: PathBuf = self.agents[node].config.server.home.join("mariadbd.pid");
        std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    pub(crate) async fn follow(&self, node: &str, epoch: u64, source: &str) {
        let source_door = self.door(source);
        self.supervisor
            .order(
                node,
                epoch,
                Task::Follow {
                    source: source.into(),
                    source_door,
                },
            )
            .await;
    }

    pub(crate) async fn promote(&self, node: &str, epoch: u64, ack_set: &[&str], required: &GtidSet) {
        let task = Task::Promote {
            operation: format!("op-{epoch}").as_str().into(),
            ack_set: names(ack_set),
            required: required.clone(),
        };
        self.supervisor.order(node, epoch, task).await;
    }

    pub(crate) async fn serve(&self, node: &str, epoch: u64, ack_set: &[&str]) {
        let routers: BTreeSet<RouterId> = ["r1".into()].into();
        self.supervisor
            .order(
                node,
                epoch,
                Task::Serve {
                    ack_set: names(ack_set),
                    routers,
                },
            )
            .await;
    }

    /// Promotes `node`, points the others at it, waits until it is ready.
    pub(crate) async fn elect(&self, node: &str, epoch: u64, others: &[&str], ack_set: &[&str], required: &GtidSet) {
        self.promote(node, epoch, ack_set, required).await;
        for other in others {
            self.follow(other, epoch, node).await;
        }
        let what = format!("{node}: Promote ordered → Ready reported, epoch {epoch}");
        timed(
            &what,
            self.supervisor.until(node, "ready", |report| ready(report, epoch)),
        )
        .await;
    }

    pub(crate) async fn open_under(&self, node: &str, epoch: u64, ack_set: &[&str]) {
        self.serve(node, epoch, ack_set).await;
        self.supervisor.lease(node, epoch);
        let open = |report: &AgentReport| {
            matches!(report.door, quorate_model::DoorState::Open { epoch: of } if of.0 == epoch).then_some(())
        };
        let what = format!("{node}: Serve ordered → door open, epoch {epoch}");
        timed(&what, self.supervisor.until(node, "open", open)).await;
    }

    pub(crate) async fn revoked(&self, node: &str, epoch: u64) -> ServerFacts {
        let done = |report: &AgentReport| match &report.progress {
            Progress::Revoked { epoch: of } if of.0 == epoch => facts(report),
            _ => None,
        };
        self.supervisor.until(node, "revoked", done).await
    }

    pub(crate) async fn attached(&self, node: &str) {
        let streaming = |report: &AgentReport| facts(report).filter(|facts| facts.io == IoThread::Yes && facts.applier);
        self.supervisor.until(node, "streams", streaming).await;
    }

    pub(crate) async fn port(&self, node: &str, epoch: u64) -> Port {
        self.router.port(node, &self.door(node), epoch).await
    }

    /// Straight to the server, past the door.
    pub(crate) async fn admin(&self, node: &str) -> Conn {
        let socket = self.agents[node].config.server.home.join("mariadbd.sock");
        let opts = OptsBuilder::default()
            .socket(Some(socket.display().to_string()))
            .user(Some("admin"))
            .pass(Some("admin-secret"));
        for _ in 0..1000 {
            if let Ok(conn) = Conn::new(opts.clone()).await {
                return conn;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{node} lets nobody in");
    }

    pub(crate) async fn rows(&self, node: &str) -> Vec<u64> {
        self.admin(node)
            .await
            .query("SELECT id FROM app.t ORDER BY id")
            .await
            .unwrap()
    }

    pub(crate) async fn until_rows(&self, node: &str, wanted: &[u64]) {
        for _ in 0..1000 {
            if self.rows(node).await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{node} has {:?}, wanted {wanted:?}", self.rows(node).await);
    }
}

pub(crate) fn names(nodes: &[&str]) -> BTreeSet<NodeId> {
    nodes.iter().map(|node| NodeId::from(*node)).collect()
}

pub(crate) fn facts(report: &AgentReport) -> Option<ServerFacts> {
    match &report.server {
        ServerState::Running { facts, .. } => Some(facts.clone()),
        ServerState::Down { .. } | ServerState::Starting => None,
    }
}

fn ready(report: &AgentReport, epoch: u64) -> Option<()> {
    matches!(&report.progress, Progress::Ready { epoch: of, .. } if of.0 == epoch).then_some(())
}
