//! Scenario 72 of the catalogue: the sidecar is upgraded under load, again and again, and no reply is lost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};
use quorate_chaos::workloads::SetWorkload;
use tokio::task::JoinSet;

use super::{Alone, binary};

/// Upgrades.
const TIMES: usize = 5;
/// Statements of each kind between two of them.
const STEP: u64 = 40;

/// A router process; killed when dropped.
struct Sidecar(Child);

impl Sidecar {
    /// The next version, told to take over.
    fn start(conf: &Path) -> Self {
        let child = Command::new(binary().unwrap())
            .args(["route", "--take-over", "--config"])
            .arg(conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One connection for the whole run: writes, and reads its own writes.
async fn stay(options: Opts, id: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> mysql_async::Result<u64> {
    let mut conn = Conn::new(options).await?;
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        written += 1;
        let insert = format!("INSERT INTO app.upgrades (client) VALUES ({id})");
        conn.query_drop(insert).await?;
        read_back(&mut conn, id, written).await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    conn.disconnect().await?;
    Ok(written)
}

/// A connection per transaction.
async fn come(options: Opts, id: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> mysql_async::Result<u64> {
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut conn = Conn::new(options.clone()).await?;
        written += 1;
        conn.query_drop("BEGIN").await?;
        let insert = format!("INSERT INTO app.upgrades (client) VALUES ({id})");
        conn.query_drop(insert).await?;
        conn.query_drop("COMMIT").await?;
        read_back(&mut conn, id, written).await?;
        conn.disconnect().await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(written)
}

async fn read_back(conn: &mut Conn, id: u64, written: u64) -> mysql_async::Result<()> {
    let count = format!("SELECT COUNT(*) FROM app.upgrades WHERE client = {id}");
    let seen: Option<u64> = conn.query_first(count).await?;
    assert_eq!(seen, Some(written), "client {id} does not see its own writes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_is_upgraded_under_load_and_no_client_notices() {
    let alone = Alone::up(&[]);
    let options = alone.options();
    SetWorkload::prepare(&options).await.unwrap();
    let mut conn = Conn::new(options.clone()).await.unwrap();
    let table = "CREATE TABLE app.upgrades (id BIGINT AUTO_INCREMENT PRIMARY KEY, client INT NOT NULL, KEY (client))";
    conn.query_drop(table).await.unwrap();
    drop(conn);

    let stop = Arc::new(AtomicBool::new(false));
    let (stayed, came) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for id in 0..3 {
        clients.spawn(stay(options.clone(), id, stop.clone(), stayed.clone()));
        clients.spawn(come(options.clone(), 100 + id, stop.clone(), came.clone()));
    }
    let mut sidecars = Vec::new();
    for _ in 0..TIMES {
        sidecars.push(Sidecar::start(&alone.lab.dir().join("conf/r1.yaml")));
        let goal = (
            stayed.load(Ordering::Relaxed) + STEP,
            came.load(Ordering::Relaxed) + STEP,
        );
        while stayed.load(Ordering::Relaxed) < goal.0 || came.load(Ordering::Relaxed) < goal.1 {
            assert!(clients.try_join_next().is_none(), "a client has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    while let Some(client) = clients.join_next().await {
        written += client.unwrap().unwrap();
    }
    // The last one serves, and holds exactly what was acknowledged.
    let mut conn = Conn::new(options).await.unwrap();
    let there: Option<u64> = conn
        .query_first("/* quorate route to primary */ SELECT COUNT(*) FROM app.upgrades")
        .await
        .unwrap();
    assert_eq!(there, Some(written));
    assert!(sidecars.last_mut().unwrap().0.try_wait().unwrap().is_none());
}
