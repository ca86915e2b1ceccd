//! Leader crashes and planned transfers on three nodes over loopback, mutual TLS and real disks.
//!
//! `cargo bench -p quorate-raft --bench failover -- [--crashes N] [--transfers N] [--json FILE]`
//!
//! Failover: from the end of the leader's process to a command committed by its successor. Transfer: from the call to
//! the moment at which the old leader follows the new one; with it, a command committed by the new one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark stops at the first surprise and prints its figures"
)]

#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../tests/it/lab.rs"]
mod lab;
#[path = "../tests/it/pki.rs"]
mod pki;

use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::time::Instant;

use crate::lab::{Lab, note};

/// The whole run ends by then, with what it has.
const TIME_MAX: Duration = Duration::from_secs(240);

struct Options {
    crashes: u64,
    transfers: u64,
    json: Option<PathBuf>,
}

struct Row {
    name: &'static str,
    target: &'static str,
    micros: Histogram<u64>,
}

impl Row {
    fn new(name: &'static str, target: &'static str) -> Self {
        let micros = Histogram::new(3).unwrap();
        Self { name, target, micros }
    }

    fn record(&mut self, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap();
        self.micros.record(micros).unwrap();
    }

    fn figures(&self) -> [f64; 4] {
        let at = |q| ms(self.micros.value_at_quantile(q));
        [ms(self.micros.min()), at(0.5), at(0.99), ms(self.micros.max())]
    }
}

fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn main() {
    let options = options();
    let deadline = Instant::now() + TIME_MAX;
    let mut lab = Lab::formed();
    lab.write("first");
    let mut rows = Vec::new();
    rows.extend(transfers(&lab, options.transfers, deadline));
    rows.push(crashes(&mut lab, options.crashes, deadline));
    rows.push(writes(&lab));
    let idle = idle_percent();
    println!("idle cost of one node: {idle:.2} % of a core, heartbeats included");
    println!(
        "{:<42} {:>4} {:>9} {:>9} {:>9} {:>9}   target",
        "milliseconds", "n", "min", "p50", "p99", "max"
    );
    for row in &rows {
        let [min, p50, p99, max] = row.figures();
        println!(
            "{:<42} {:>4} {min:>9.2} {p50:>9.2} {p99:>9.2} {max:>9.2}   {}",
            row.name,
            row.micros.len(),
            row.target
        );
    }
    if let Some(path) = options.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let [min, p50, p99, max] = row.figures();
                json!({"name": row.name, "n": row.micros.len(), "target": row.target,
                    "min_ms": min, "p50_ms": p50, "p99_ms": p99, "max_ms": max})
            })
            .collect();
        let report = json!({"bench": "raft_failover", "rows": rows, "idle_percent": idle});
        std::fs::write(path, serde_json::to_vec_pretty(&report).unwrap()).unwrap();
    }
}

/// Hands the leadership around.
fn transfers(lab: &Lab, count: u64, deadline: Instant) -> [Row; 2] {
    let mut handed = Row::new("planned transfer", "max < 50");
    let mut written = Row::new("planned transfer, then a write", "");
    for n in 0..count {
        if Instant::now() > deadline {
            break;
        }
        let old = lab.leader();
        let new = (old + 1) % 3;
        let id = lab.node(new).identity().unwrap().node_id;
        let since = Instant::now();
        lab.on(old, lab.node(old).transfer_leadership(id)).unwrap();
        handed.record(since);
        commit(lab, &[new], &format!("transfer {n}"));
        written.record(since);
        std::thread::sleep(Duration::from_millis(300));
    }
    [handed, written]
}

/// Ends the leader's runtime, again and again.
fn crashes(lab: &mut Lab, count: u64, deadline: Instant) -> Row {
    let mut row = Row::new("leader crash to the next committed write", "p99 < 700");
    for n in 0..count {
        if Instant::now() > deadline {
            break;
        }
        let old = lab.leader();
        // The crash comes at any point of the heartbeat interval.
        std::thread::sleep(Duration::from_millis(n * 37 % 80));
        let since = Instant::now();
        lab.crash(old);
        commit(lab, &[(old + 1) % 3, (old + 2) % 3], &format!("crash {n}"));
        row.record(since);
        lab.start(old);
        let index = lab.write(&format!("back {n}"));
        lab.until_applied(old, index);
        std::thread::sleep(Duration::from_millis(500));
    }
    row
}

/// Single writes, one after another.
fn writes(lab: &Lab) -> Row {
    let mut row = Row::new("committed write", "");
    let leader = lab.leader();
    for n in 0..200 {
        let since = Instant::now();
        commit(lab, &[leader], &format!("write {n}"));
        row.record(since);
    }
    row
}

/// CPU time that one of the three nodes takes while nothing is asked of it, in percent of a core.
fn idle_percent() -> f64 {
    const SPAN: Duration = Duration::from_secs(5);
    let before = cpu_ticks();
    std::thread::sleep(SPAN);
    // Linux counts 100 ticks a second.
    (cpu_ticks() - before) / 100.0 / SPAN.as_secs_f64() * 100.0 / 3.0
}

fn cpu_ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<f64>().unwrap()).sum()
}

/// Commits through whichever of the hosts leads first.
fn commit(lab: &Lab, hosts: &[usize], key: &str) {
    let command = note(key);
    lab.until("committed", |lab| {
        hosts.iter().any(|&host| {
            let node = lab.node(host);
            let leads = node.leader().map(|(id, _)| id) == node.identity().map(|me| me.node_id);
            leads && lab.on(host, node.propose(&command)).is_ok()
        })
    });
}

fn options() -> Options {
    let mut options = Options {
        crashes: 30,
        transfers: 30,
        json: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("a value follows the option");
        match arg.as_str() {
            "--crashes" => options.crashes = value().parse().expect("a number"),
            "--transfers" => options.transfers = value().parse().expect("a number"),
            "--json" => options.json = Some(value().into()),
            // `cargo bench` passes `--bench`.
            "--bench" => {}
            other => println!("ignored: {other}"),
        }
    }
    options
}
