//! Two servers that take turns as primary.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quorate_model::Epoch;
use tempfile::TempDir;
use tokio::net::UnixStream;

use super::client::{Session, connect};
use crate::mysql::auth::rows::query;
use crate::mysql::recover::resolve::Primary;

/// A `mariadbd`; killed when dropped.
pub(super) struct Node {
    dir: PathBuf,
    id: usize,
    port: u16,
    child: Option<Child>,
}

/// Where a resolver asks.
pub(super) struct At {
    pub(super) socket: PathBuf,
    pub(super) replicated: u64,
    pub(super) epoch: Epoch,
}

impl Primary for At {
    type Stream = UnixStream;

    async fn open(&self) -> Epoch {
        self.epoch
    }

    async fn dial(&self) -> io::Result<UnixStream> {
        connect(&self.socket, false).await.map(|(stream, _)| stream)
    }

    fn replicated(&self) -> u64 {
        self.replicated
    }
}

impl Node {
    fn install(dir: PathBuf, id: usize) -> Self {
        std::fs::create_dir(&dir).unwrap();
        let done = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", dir.join("data").display()))
            // Not the shared folder: every starting server deletes the temporary tables that it finds there.
            .arg(format!("--tmpdir={}", dir.display()))
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self {
            dir,
            id,
            port,
            child: None,
        }
    }

    fn start(&mut self) {
        let child = Command::new("mariadbd")
            .args([
                "--no-defaults",
                "--user=root",
                "--bind-address=127.0.0.1",
                "--log-bin=bin",
            ])
            .args([
                "--log-slave-updates",
                "--binlog-format=ROW",
                "--gtid-strict-mode=1",
                "--sync-binlog=1",
            ])
            .args([
                "--innodb-flush-log-at-trx-commit=3",
                "--sync-relay-log=1",
                "--skip-slave-start",
            ])
            .args([
                "--init-rpl-role=SLAVE",
                "--rpl-semi-sync-slave-enabled=1",
                "--slave-net-timeout=4",
            ])
            .args([
                "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
                "--rpl-semi-sync-master-timeout=3153600000000",
            ])
            .args([
                "--rpl-semi-sync-master-wait-no-slave=1",
                "--innodb-buffer-pool-size=16M",
            ])
            .args(["--innodb-log-file-size=8M", "--performance-schema=OFF"])
            .arg(format!("--server-id={}", self.id))
            .arg(format!("--port={}", self.port))
            .arg(format!("--datadir={}", self.dir.join("data").display()))
            .arg(format!("--tmpdir={}", self.dir.display()))
            .arg(format!("--socket={}", self.socket().display()))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("sock")
    }

    async fn up(&self) {
        for _ in 0..2000 {
            if connect(&self.socket(), false).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "the server does not come up: {}",
            std::fs::read_to_string(self.dir.join("log")).unwrap()
        );
    }

    /// The first value of each row.
    pub(super) async fn ask(&self, sql: &str) -> Vec<String> {
        let (mut stream, _) = connect(&self.socket(), false).await.unwrap();
        let rows = query(&mut stream, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = |row: &Vec<Option<bytes::Bytes>>| {
            String::from_utf8(row[0].as_deref().unwrap_or_default().to_vec()).unwrap()
        };
        rows.iter().map(text).collect()
    }

    async fn all(&self, statements: &[&str]) {
        for sql in statements {
            self.ask(sql).await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A primary, a replica and the epoch.
pub(super) struct Lab {
    pub(super) primary: Node,
    pub(super) replica: Node,
    pub(super) epoch: Epoch,
    _dir: TempDir,
}

impl Lab {
    /// The primary has written the row of epoch 1, and the replica has acknowledged it.
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let nodes = (1..=2).map(|id| Node::install(dir.path().join(format!("n{id}")), id));
        let mut nodes: Vec<_> = nodes.collect();
        for node in &mut nodes {
            node.start();
        }
        for node in &nodes {
            node.up().await;
            let (mut stream, _) = connect(&node.socket(), false).await.unwrap();
            for sql in [
                "SET sql_log_bin = 0",
                "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'r'",
                "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
                "CREATE DATABASE quorate",
                "CREATE TABLE quorate.epoch (epoch BIGINT PRIMARY KEY)",
            ] {
                query(&mut stream, sql).await.unwrap();
            }
        }
        let (replica, primary) = (nodes.pop().unwrap(), nodes.pop().unwrap());
        let mut lab = Self {
            primary,
            replica,
            epoch: Epoch(0),
            _dir: dir,
        };
        lab.open().await;
        lab
    }

    /// Opens the primary under the next epoch, with the replica behind it.
    async fn open(&mut self) {
        self.epoch = self.epoch.next();
        let port = self.primary.port;
        self.primary.ask("SET GLOBAL rpl_semi_sync_master_enabled = 1").await;
        let demote = if self.epoch == Epoch(1) {
            ""
        } else {
            ", MASTER_DEMOTE_TO_SLAVE = 1"
        };
        self.replica
            .all(&[
                &format!(
                    "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'repl', \
                     MASTER_PASSWORD = 'r', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos{demote}"
                ),
                "START SLAVE",
            ])
            .await;
        self.write_epoch().await;
    }

    /// The first transaction of the epoch.
    pub(super) async fn write_epoch(&self) {
        let mut session = Session::open(&self.primary.socket(), false).await;
        let epoch = self.epoch;
        session
            .run(&format!("SET SESSION gtid_seq_no = {}", epoch.first_seq()))
            .await
            .unwrap();
        let sql = format!("INSERT INTO quorate.epoch VALUES ({epoch})");
        session.run(&sql).await.unwrap();
    }

    /// Kills the primary; the replica applies what it has and takes over under the next epoch.
    pub(super) async fn fail_over(&mut self) {
        self.primary.kill();
        self.primary.start();
        self.replica.ask("STOP SLAVE IO_THREAD").await;
        let received = self.replica.ask("SELECT @@GLOBAL.gtid_slave_pos").await;
        let io = self.received().await.unwrap_or_else(|| received[0].clone());
        let waited = self.replica.ask(&format!("SELECT MASTER_GTID_WAIT('{io}', 30)")).await;
        assert_eq!(waited, ["0"], "{io}");
        self.replica.all(&["STOP SLAVE", "RESET SLAVE ALL"]).await;
        self.primary.up().await;
        std::mem::swap(&mut self.primary, &mut self.replica);
        self.open().await;
    }

    /// What the replica has received.
    async fn received(&self) -> Option<String> {
        let (mut stream, _) = connect(&self.replica.socket(), false).await.unwrap();
        let rows = query(&mut stream, "SHOW ALL SLAVES STATUS").await.unwrap();
        let columns = rows.first()?;
        let gtid = |value: &Option<bytes::Bytes>| {
            let text = String::from_utf8(value.as_deref()?.to_vec()).ok()?;
            (text.starts_with("0-") && text.matches('-').count() == 2).then_some(text)
        };
        // `Gtid_IO_Pos` is the first of the columns that look like one.
        columns.iter().find_map(gtid)
    }

    /// Waits until the replica has applied everything.
    pub(super) async fn in_step(&self) {
        let position = self.primary.ask("SELECT @@GLOBAL.gtid_binlog_pos").await;
        let sql = format!("SELECT MASTER_GTID_WAIT('{}', 30)", position[0]);
        assert_eq!(self.replica.ask(&sql).await, ["0"]);
    }
}
