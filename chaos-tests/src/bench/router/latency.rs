//! `SELECT 1` and a read by key: what a path adds to the median, and CPU per query.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use quorate_api::clock::Clock;

use super::client::Client;
use super::path::{Path, PathName};
use super::process::cpu_ns;
use super::stage::Stage;
use crate::bench::{Figure, Unit};
use crate::lab::Account;

/// Queries of a round on one path, over all connections.
const QUERIES: usize = 6_000;
/// Queries before the first that counts, on each connection.
const WARM: usize = 50;
/// The statements.
const STATEMENTS: [(&str, &str); 2] = [
    ("SELECT 1", "SELECT 1"),
    ("read by key", "SELECT c FROM app.sbtest1 WHERE id=4711"),
];

/// One path in one round.
#[derive(Debug, Clone, Copy)]
struct Sample {
    median_us: f64,
    cpu_us: Option<f64>,
}

type Round = BTreeMap<PathName, Sample>;

/// Latency and cost of the smallest statements with so many connections, `rounds` times.
///
/// # Errors
/// If a path does not answer.
pub fn added_latency(
    stage: &Stage<'_>,
    connections: &[usize],
    rounds: usize,
    say: impl Fn(&str),
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, sql) in STATEMENTS {
        for connections in connections {
            let mut all = Vec::new();
            for round in 0..rounds {
                let mut samples = Round::new();
                for path in stage.turned(round) {
                    let sample = measure(path, &stage.account, sql, *connections)
                        .with_context(|| format!("{name} on path {}", path.name))?;
                    samples.insert(path.name, sample);
                }
                let each = samples
                    .iter()
                    .map(|(path, sample)| format!("{path} {:.0} µs", sample.median_us));
                let each = each.collect::<Vec<_>>().join(" | ");
                say(&format!("  {}/{rounds} {name}, {connections} conn: {each}", round + 1));
                all.push(samples);
            }
            figures.extend(compare(&format!("{name}, {connections} conn"), &all, *connections == 1));
        }
    }
    Ok(figures)
}

fn measure(path: &Path, account: &Account, sql: &str, connections: usize) -> Result<Sample> {
    let mut clients = (0..connections)
        .map(|_| Client::log_in(path, account))
        .collect::<Result<Vec<_>>>()?;
    for client in &mut clients {
        for _ in 0..WARM {
            client.ask(sql)?;
        }
    }
    let before = path.pid.map(cpu_ns).transpose()?;
    let each = QUERIES.div_ceil(connections);
    let mut samples = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(move || ask(client, sql, each)))
            .collect();
        let mut samples = Vec::new();
        for thread in threads {
            samples.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok::<_, anyhow::Error>(samples)
    })?;
    let after = path.pid.map(cpu_ns).transpose()?;
    samples.sort_by(f64::total_cmp);
    let queries = samples.len();
    #[expect(
        clippy::cast_precision_loss,
        reason = "nanoseconds of a short run are far below 2^52"
    )]
    let cpu_us = before
        .zip(after)
        .map(|(before, after)| after.saturating_sub(before) as f64 / 1000.0 / queries as f64);
    let median_us = samples.get(queries / 2).copied().context("no samples")?;
    Ok(Sample { median_us, cpu_us })
}

fn ask(client: &mut Client, sql: &str, times: usize) -> Result<Vec<f64>> {
    let mut samples = Vec::with_capacity(times);
    for _ in 0..times {
        let sent = Clock.now();
        client.ask(sql)?;
        samples.push(Clock.now().since(sent).as_secs_f64() * 1e6);
    }
    Ok(samples)
}

fn compare(title: &str, rounds: &[Round], alone: bool) -> Vec<Figure> {
    let mut figures = Vec::new();
    let each = |path: PathName, value: &dyn Fn(&Round, &Sample) -> Option<f64>| -> Vec<f64> {
        rounds
            .iter()
            .filter_map(|round| value(round, round.get(&path)?))
            .collect()
    };
    for path in PathName::ALL {
        let medians = each(path, &|_, sample| Some(sample.median_us));
        figures.extend(Figure::of(
            &format!("{title}: {path}, median"),
            Unit::Microseconds,
            medians,
            &[],
        ));
    }
    for path in [PathName::Haproxy, PathName::Tunnel, PathName::Split] {
        let costs = each(path, &|_, sample| sample.cpu_us);
        figures.extend(Figure::of(
            &format!("{title}: {path}, CPU per query"),
            Unit::Microseconds,
            costs,
            &[],
        ));
        let added = each(path, &|round, sample| {
            Some(sample.median_us - round.get(&PathName::Direct)?.median_us)
        });
        figures.extend(Figure::of(
            &format!("{title}: {path}, added median"),
            Unit::Microseconds,
            added,
            &[],
        ));
    }
    if alone {
        let more = each(PathName::Tunnel, &|round, sample| {
            Some(sample.median_us - round.get(&PathName::Haproxy)?.median_us)
        });
        let name = format!("{title}: tunnel, added median above haproxy's");
        figures.extend(Figure::of(&name, Unit::Microseconds, more, &[("p50", 0.0)]));
    }
    figures
}
