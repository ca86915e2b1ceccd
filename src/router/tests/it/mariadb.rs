//! A real server and its real client, through the router.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, soon, table};

/// A `mariadbd` on a socket; killed when dropped.
struct Server {
    dir: PathBuf,
    child: Child,
}

impl Server {
    fn install(dir: PathBuf) -> Self {
        let done = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let child = Self::spawn(&dir);
        Self { dir, child }
    }

    fn spawn(dir: &std::path::Path) -> Child {
        Command::new("mariadbd")
            .args(["--no-defaults", "--skip-networking", "--innodb-buffer-pool-size=16M"])
            .args(["--max-allowed-packet=64M", "--user=root"])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", dir.join("sock").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::spawn(&self.dir);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the client to its end.
async fn query(address: SocketAddr, sql: &str) -> Output {
    let client = tokio::process::Command::new("mariadb")
        .args([
            "--no-defaults",
            "--protocol=tcp",
            "--skip-ssl",
            "-uroot",
            "-N",
            "--max-allowed-packet=64M",
        ])
        .arg(format!("-h{}", address.ip()))
        .arg(format!("-P{}", address.port()))
        .arg("-e")
        .arg(sql)
        .kill_on_drop(true)
        .output();
    soon("the client", client).await.unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_works_is_cut_held_released_and_told_why() {
    let world = World::new();
    let dir = world.path("m1");
    std::fs::create_dir(&dir).unwrap();
    let mut server = spawn_blocking({
        let dir = dir.clone();
        || Server::install(dir)
    })
    .await
    .unwrap();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::server(&world, "m1", Admits::Everyone(1), dir.join("sock")).await;
    let mut config = world.config(&[&supervisor]);
    config.limits.hold_wait_ms = 3000;
    let router = Running::start(config).await;
    supervisor.push(table(1, 5, Some(&m1), &[]));
    wait_until_up(router.rw).await;

    text(
        &query(
            router.rw,
            "CREATE DATABASE app; CREATE TABLE app.t (id INT PRIMARY KEY, b LONGBLOB)",
        )
        .await,
    );
    let sql = "INSERT INTO app.t VALUES (1, REPEAT('x', 20000000)); SELECT LENGTH(b), MD5(b) FROM app.t";
    let there = text(&query(router.rw, sql).await);
    let back = query(router.ro, "SELECT b FROM app.t").await;
    assert_eq!(text(&back).len(), 20_000_000);
    let big = format!("SELECT LENGTH('{}')", "y".repeat(100_000));
    assert_eq!(text(&query(router.rw, &big).await), "100000");
    assert!(there.starts_with("20000000\t"), "{there}");

    // A statement under way loses its connection with its epoch.
    let (sleeping, rw) = (query(router.rw, "SELECT SLEEP(60)"), router.rw);
    let cut = async {
        wait_for_sleeper(rw).await;
        server.kill();
        supervisor.push(table(2, 6, None, &[]));
        supervisor.confirmed(2).await;
    };
    let (lost, ()) = tokio::join!(sleeping, cut);
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(!lost.status.success() && said.contains("ERROR 2013"), "{said}");

    // While no primary is open a client waits, and is told why it waited in vain.
    let vain = query(router.rw, "SELECT 1").await;
    let said = String::from_utf8_lossy(&vain.stderr).into_owned();
    assert!(!vain.status.success(), "{vain:?}");
    assert!(
        said.contains("ERROR 1053 (08S01): quorate router r1: no primary is open (epoch 2 since"),
        "{said}"
    );

    // One that still waits when the next epoch opens notices nothing.
    let release = async {
        supervisor.report(|report| report.held == 1).await;
        server.restart();
        m1.admit(Admits::Everyone(2));
        supervisor.push(table(2, 8, Some(&m1), &[]));
    };
    let (held, ()) = tokio::join!(query(router.rw, "SELECT 'released'"), release);
    if held.status.success() {
        assert_eq!(text(&held), "released");
    } else {
        // The server was not up when the door let the client in: a real door opens later than this one.
        wait_until_up(router.rw).await;
    }
    assert_eq!(text(&query(router.rw, "SELECT LENGTH(b) FROM app.t").await), "20000000");
    router.stop().await;
}

async fn wait_until_up(address: SocketAddr) {
    for _ in 0..300 {
        if query(address, "SELECT 1").await.status.success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server does not come up");
}

async fn wait_for_sleeper(address: SocketAddr) {
    let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'";
    let asleep = async {
        while text(&query(address, sql).await) != "1" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), asleep).await;
    assert!(found.is_ok(), "no query sleeps after 30 s");
}
