//! What the door costs: the same statement straight to the server's socket and through the door. Printed, not asserted.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::time::Instant;

use crate::support::Cluster;

const ROUNDS: usize = 2000;

async fn p50_and_p99(conn: &mut Conn) -> (Duration, Duration) {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        conn.query_drop("SELECT 1").await.unwrap();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    (times[ROUNDS / 2], times[ROUNDS * 99 / 100])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_price_of_the_door() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    let mut straight = cluster.admin("m1").await;
    let mut through = cluster.port("m1", 1).await.app().await.unwrap();
    for _ in 0..2 {
        let (p50, p99) = p50_and_p99(&mut straight).await;
        println!("straight to the socket: p50 {p50:?}, p99 {p99:?}");
        let (p50, p99) = p50_and_p99(&mut through).await;
        println!("through port, TLS and door: p50 {p50:?}, p99 {p99:?}");
    }
}
