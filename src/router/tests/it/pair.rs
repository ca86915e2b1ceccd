//! A primary and a replica of its own, on loopback, as an agent would have set them up.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The router's account, as every server knows it.
pub(crate) const ACCOUNT: (&str, &str) = ("quorate_router", "open sesame");

const PREPARE: &str = "CREATE USER repl@'%' IDENTIFIED BY 'r'; GRANT REPLICATION SLAVE ON *.* TO repl@'%'; \
    CREATE DATABASE quorate; CREATE TABLE quorate.heartbeat (id TINYINT UNSIGNED PRIMARY KEY, \
    epoch BIGINT UNSIGNED NOT NULL, beat BIGINT UNSIGNED NOT NULL); \
    CREATE USER quorate_router@localhost IDENTIFIED BY 'open sesame'; \
    GRANT SELECT ON quorate.* TO quorate_router@localhost; CREATE TABLE quorate.t (id INT PRIMARY KEY)";

/// One `mariadbd`; killed when dropped.
pub(crate) struct Server {
    dir: PathBuf,
    id: u32,
    port: u16,
    child: Child,
}

/// Both, replicating.
pub(crate) struct Pair {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
}

impl Pair {
    /// Installs, starts and connects both.
    pub(crate) fn start(dir: &Path) -> Self {
        let primary = Server::install(dir.join("m1"), 1);
        let replica = Server::install(dir.join("m2"), 2);
        primary.sql(PREPARE);
        let source = format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='repl', MASTER_PASSWORD='r', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE",
            primary.port
        );
        replica.sql(&source);
        Self { primary, replica }
    }
}

impl Server {
    fn install(dir: PathBuf, id: u32) -> Self {
        std::fs::create_dir(&dir).unwrap();
        let done = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(&dir, id, port);
        let server = Self { dir, id, port, child };
        server.wait_until_up();
        server
    }

    fn spawn(dir: &Path, id: u32, port: u16) -> Child {
        Command::new("mariadbd")
            .args([
                "--no-defaults",
                "--innodb-buffer-pool-size=16M",
                "--user=root",
                "--bind-address=127.0.0.1",
            ])
            .args([
                "--log-bin=bin",
                "--log-slave-updates=1",
                "--sync-binlog=0",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .args([format!("--server-id={id}"), format!("--port={port}")])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", dir.join("sock").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("sock")
    }

    /// Runs statements as root and returns what they print.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let done = self.try_sql(sql);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(&self.dir, self.id, self.port);
        self.wait_until_up();
    }

    fn try_sql(&self, sql: &str) -> std::process::Output {
        Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-N"])
            .arg(format!("--socket={}", self.socket().display()))
            .args(["-e", sql])
            .output()
            .unwrap()
    }

    fn wait_until_up(&self) {
        for _ in 0..600 {
            if self.try_sql("SELECT 1").status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not come up");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
