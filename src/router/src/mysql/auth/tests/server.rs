//! A `mariadbd` on a socket, killed when dropped.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::mysql::auth::flags::{DEPRECATE_EOF, PHASE};
use crate::mysql::auth::login::{Accepted, Login, LoginError, login};
use crate::mysql::auth::rows::{Row, query};
use crate::mysql::auth::secret::Secret;

pub(super) struct Server {
    dir: TempDir,
    child: Child,
}

impl Server {
    /// Installs and starts one, with the routers' account, password `router-secret`.
    pub(super) async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Self::install).await.unwrap();
        for _ in 0..600 {
            if server.as_root().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server
            .run(&[
                "DELETE FROM mysql.global_priv WHERE User='' OR Host<>'localhost'",
                "FLUSH PRIVILEGES",
                "CREATE USER quorate_router@localhost IDENTIFIED BY 'router-secret'",
                "GRANT SELECT ON mysql.global_priv TO quorate_router@localhost",
            ])
            .await;
        std::fs::write(server.password_file(), "router-secret\n").unwrap();
        server
    }

    fn install() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = format!("--datadir={}", dir.path().join("data").display());
        // Of its own: every starting server deletes the temporary tables that it finds.
        let temporary = format!("--tmpdir={}", dir.path().display());
        let done = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .args([&data, &temporary])
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let child = Command::new("mariadbd")
            .args([
                "--no-defaults",
                "--skip-networking",
                "--skip-name-resolve",
                "--user=root",
            ])
            .args(["--innodb-buffer-pool-size=16M", "--proxy-protocol-networks=localhost"])
            .args(["--plugin-load-add=auth_ed25519", &data, &temporary])
            .arg(format!("--socket={}", dir.path().join("sock").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.path("router")
    }

    /// A login without any router.
    pub(super) async fn login(&self, as_whom: &Login) -> Result<(UnixStream, Accepted), LoginError> {
        let mut stream = UnixStream::connect(self.socket())
            .await
            .map_err(crate::mysql::auth::packet::PacketError::Io)?;
        let accepted = login(&mut stream, as_whom, DEPRECATE_EOF).await?;
        Ok((stream, accepted))
    }

    async fn as_root(&self) -> Result<UnixStream, LoginError> {
        Ok(self.login(&user("root", "")).await?.0)
    }

    pub(super) async fn run(&self, statements: &[&str]) -> Vec<Row> {
        let mut stream = self.as_root().await.unwrap();
        let mut rows = Vec::new();
        for sql in statements {
            rows = query(&mut stream, sql).await.unwrap();
        }
        rows
    }

    /// What the client says when it comes without a router.
    pub(super) async fn direct(&self, arguments: &[&str]) -> Output {
        let socket = format!("-S{}", self.socket().display());
        client(&[&[socket.as_str()], arguments].concat()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the `mariadb` client to its end.
pub(super) async fn client(arguments: &[&str]) -> Output {
    let run = tokio::process::Command::new("mariadb")
        .args(["--no-defaults", "-N"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .unwrap()
        .unwrap()
}

pub(super) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

pub(super) fn complained(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap().trim_end().to_owned()
}

pub(super) fn user(name: &str, password: &str) -> Login {
    Login {
        user: name.to_owned(),
        database: None,
        capabilities: PHASE | DEPRECATE_EOF,
        collation: 45,
        attributes: b"\x04_who\x04test".to_vec(),
        max_packet: 1 << 24,
        secret: Secret::password(Zeroizing::new(password.as_bytes().to_vec())),
    }
}

/// The first cell of the first row.
pub(super) fn cell(rows: &[Row]) -> String {
    let cell = rows.first().and_then(|row| row.first()).cloned().flatten().unwrap();
    String::from_utf8(cell.to_vec()).unwrap()
}
