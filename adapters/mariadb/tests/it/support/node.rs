//! A server with its directory, and a primary with replicas.

use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};
use quorate_mariadb::act::{Backlog, EpochRow, Events, Source, arm, attach, open_writes, write_epoch_row};
use quorate_mariadb::config::{ServerConfig, Tuning};
use quorate_mariadb::install::clone_initialised;
use quorate_mariadb::process::{Launch, ProcessError, Server};
use quorate_mariadb::{Connector, Facts, Layout, Session, observe};
use quorate_model::{Epoch, Gtid};
use tempfile::TempDir;

use super::{LIMIT, Relay, binaries, secrets, spec, template, timed, until};

/// One server. Dropping it kills the process and removes the directory.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) layout: Layout,
    pub(crate) connector: Connector,
    pub(crate) config: ServerConfig,
    pub(crate) session: Option<Session>,
    pub(crate) server: Option<Server>,
    _home: TempDir,
}

impl Node {
    /// Initialised, configured, not started.
    pub(crate) fn prepared(name: &str, server_id: u32) -> Self {
        let home = TempDir::new().unwrap();
        let layout = Layout::below(home.path());
        clone_initialised(template(), &spec(&layout.datadir(), name, server_id)).unwrap();
        let tuning = Tuning {
            buffer_pool_mib: 16,
            ..Tuning::lab()
        };
        let config = ServerConfig {
            layout: layout.clone(),
            server_id,
            report_host: name.to_owned(),
            tuning,
            include: None,
        };
        let connector = Connector::new(&layout, &secrets().agent);
        Self {
            name: name.to_owned(),
            layout,
            connector,
            config,
            session: None,
            server: None,
            _home: home,
        }
    }

    pub(crate) async fn started(name: &str, server_id: u32) -> Self {
        let mut node = Self::prepared(name, server_id);
        node.start().await;
        node
    }

    pub(crate) fn launch(&self) -> Launch {
        Launch {
            binaries: binaries(),
            layout: self.layout.clone(),
            run_as: None,
        }
    }

    pub(crate) async fn start(&mut self) {
        self.try_start().await.unwrap();
    }

    pub(crate) async fn try_start(&mut self) -> Result<(), ProcessError> {
        self.config.write().unwrap();
        let server = Server::start(&self.launch())?;
        let session = timed(&format!("{}: boot", self.name), server.ready(&self.connector, LIMIT)).await?;
        self.session = Some(session);
        self.server = Some(server);
        Ok(())
    }

    pub(crate) async fn kill(&mut self) {
        let server = self.server.take().unwrap();
        timed(
            &format!("{}: SIGKILL to reaped", self.name),
            server.kill_and_wait(LIMIT),
        )
        .await
        .unwrap();
        self.session = None;
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        self.session.as_mut().unwrap()
    }

    pub(crate) async fn facts(&mut self) -> Facts {
        observe(self.session(), LIMIT).await.unwrap()
    }

    /// Statements of a human with all rights but READ ONLY ADMIN.
    pub(crate) async fn admin(&self) -> Conn {
        self.client("admin", "admin-secret").await
    }

    /// Statements of the application.
    pub(crate) async fn app(&self) -> Conn {
        self.client("app", "app-secret").await
    }

    pub(crate) async fn client(&self, user: &str, password: &str) -> Conn {
        let opts = OptsBuilder::default()
            .socket(Some(self.layout.socket().display().to_string()))
            .prefer_socket(false)
            .user(Some(user))
            .pass(Some(password));
        Conn::new(opts).await.unwrap()
    }

    pub(crate) async fn query<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        self.admin().await.query(sql).await.unwrap()
    }

    pub(crate) async fn rows(&self) -> Vec<u64> {
        self.query("SELECT id FROM app.t ORDER BY id").await
    }

    pub(crate) async fn follow(&mut self, relay: &Relay) {
        let source = Source {
            host: "127.0.0.1".to_owned(),
            port: relay.port,
            account: secrets().replication,
        };
        let what = format!("{}: attach", self.name);
        timed(&what, attach(self.session(), &source, &Backlog::Refuse, LIMIT))
            .await
            .unwrap();
    }

    pub(crate) async fn promote(&mut self, epoch: u64) -> Gtid {
        let name = self.name.clone();
        timed(&format!("{name}: arm"), arm(self.session(), LIMIT))
            .await
            .unwrap();
        self.epoch_row(epoch, LIMIT).await.unwrap()
    }

    pub(crate) async fn epoch_row(
        &mut self,
        epoch: u64,
        limit: Duration,
    ) -> Result<Gtid, quorate_mariadb::act::ActError> {
        let name = self.name.clone();
        let previous = self.facts().await.binlog_pos;
        let row = EpochRow {
            epoch: Epoch(epoch),
            operation: "op".into(),
            node: name.as_str().into(),
            previous,
        };
        timed(
            &format!("{name}: epoch row"),
            write_epoch_row(self.session(), &row, limit),
        )
        .await
    }

    pub(crate) async fn open(&mut self) {
        open_writes(self.session(), Events::Off, LIMIT).await.unwrap();
    }

    pub(crate) async fn caught_up(&mut self, source: &Facts) {
        let what = format!("{} reaches {}", self.name, source.binlog_pos);
        for _ in 0..1_000 {
            if self.facts().await.slave_pos.covers(&source.binlog_pos) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {what}; {:?}", self.facts().await.replication);
    }
}

/// An open primary `m1` with replicas `m2` (and `m3`), each reached through a relay; table `app.t` exists everywhere.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// To the primary, one for each replica, in order.
    pub(crate) relays: Vec<Relay>,
}

impl Cluster {
    pub(crate) async fn of(size: u32) -> Self {
        let mut nodes = Vec::new();
        for i in 1..=size {
            nodes.push(Node::started(&format!("m{i}"), i).await);
        }
        let mut relays = Vec::new();
        for i in 1..nodes.len() {
            let relay = Relay::to(nodes[0].layout.socket()).await;
            nodes[i].follow(&relay).await;
            relays.push(relay);
        }
        nodes[0].promote(1).await;
        nodes[0].open().await;
        let mut app = nodes[0].app().await;
        app.query_drop("CREATE DATABASE app").await.unwrap();
        app.query_drop("CREATE TABLE app.t (id BIGINT UNSIGNED PRIMARY KEY)")
            .await
            .unwrap();
        let facts = nodes[0].facts().await;
        for node in &mut nodes[1..] {
            node.caught_up(&facts).await;
        }
        Self { nodes, relays }
    }

    /// A write that is in the background, waiting for an acknowledgement that does not come.
    pub(crate) async fn unacknowledged(&self, id: u64) -> tokio::task::JoinHandle<mysql_async::Result<()>> {
        let mut app = self.nodes[0].app().await;
        let handle = tokio_util::task::TaskTracker::new()
            .spawn(async move { app.query_drop(format!("INSERT INTO app.t VALUES ({id})")).await });
        let node = &self.nodes[0];
        until("the commit waits", || async {
            let rows: Vec<(String, u64)> = node
                .query("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'")
                .await;
            rows.iter().any(|(_, waiting)| *waiting > 0)
        })
        .await;
        handle
    }
}

impl Node {
    /// Writable without semi-sync: only for tests about a single server.
    pub(crate) async fn open_for_test(&self) {
        let mut agent = self.client("quorate_agent", "agent-secret").await;
        agent.query_drop("SET GLOBAL read_only=0").await.unwrap();
    }
}
