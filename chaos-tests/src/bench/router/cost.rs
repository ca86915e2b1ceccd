//! sysbench on every path: CPU per query of the process in the middle, and throughput.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::load::{Load, Mode};
use super::path::PathName;
use super::stage::Stage;
use super::sysbench::{self, Run};
use crate::bench::{Figure, Unit};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which loads, and how their statements are sent.
    pub loads: Vec<(Load, Mode)>,
    /// With how many connections each.
    pub connections: Vec<usize>,
    /// How often.
    pub rounds: usize,
    /// How long each time.
    pub seconds: u64,
}

/// Tries of a round.
const TRIES: usize = 4;

type Key = (Load, Mode, usize);
/// The runs of one round by path.
type Round = BTreeMap<PathName, Run>;

/// Runs the plan, round by round, and compares.
///
/// # Errors
/// If sysbench fails on a path.
pub fn cpu_per_query(stage: &mut Stage<'_>, plan: &Plan, say: impl Fn(&str)) -> Result<Vec<Figure>> {
    let mut rounds: BTreeMap<Key, Vec<Round>> = BTreeMap::new();
    for round in 0..plan.rounds {
        for (load, mode) in &plan.loads {
            for connections in &plan.connections {
                let key = (*load, *mode, *connections);
                let runs = patiently(stage, key, round, plan.seconds, &say)?;
                say(&format!(
                    "  {}/{} {}: {}",
                    round.saturating_add(1),
                    plan.rounds,
                    title(key),
                    line(&runs)
                ));
                rounds.entry(key).or_default().push(runs);
            }
        }
    }
    let mut figures = Vec::new();
    for (key, rounds) in &rounds {
        figures.extend(compare(*key, rounds));
    }
    Ok(figures)
}

/// One round, begun anew a few times if a path broke in the middle of it.
fn patiently(stage: &mut Stage<'_>, key: Key, round: usize, seconds: u64, say: &impl Fn(&str)) -> Result<Round> {
    for _ in 1..TRIES {
        match one_round(stage, key, round, seconds) {
            Ok(runs) => return Ok(runs),
            Err(error) => say(&format!("  {error}; once more, with whoever leads now")),
        }
        stage.follow()?;
    }
    one_round(stage, key, round, seconds)
}

fn one_round(stage: &Stage<'_>, key: Key, round: usize, seconds: u64) -> Result<Round> {
    let (load, mode, connections) = key;
    let mut runs = Round::new();
    for path in stage.turned(round) {
        let run = sysbench::run(path, &stage.account, load, mode, connections, seconds)
            .with_context(|| format!("{} on path {}", title(key), path.name))?;
        runs.insert(path.name, run);
    }
    Ok(runs)
}

fn title((load, mode, connections): Key) -> String {
    format!("{}{}, {connections} conn", load.name(), mode.suffix())
}

/// A round for people: `direct 7169/s, haproxy 4720/s 24.1 µs, …`.
fn line(runs: &Round) -> String {
    let parts: Vec<String> = runs
        .iter()
        .map(|(name, run)| {
            let cost = cost_us(run).map_or_else(String::new, |cost| format!(" {cost:.1} µs cpu"));
            format!("{name} {:.0} µs{cost}", run.mean_us)
        })
        .collect();
    parts.join(" | ")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds of a short run are far below 2^52"
)]
fn cost_us(run: &Run) -> Option<f64> {
    run.cpu_ns.map(|spent| spent as f64 / 1000.0 / run.queries.max(1.0))
}

/// The figures of one load: costs, ratios within each round, and what a path adds.
fn compare(key: Key, rounds: &[Round]) -> Vec<Figure> {
    let title = title(key);
    let (load, _, connections) = key;
    let mut figures = Vec::new();
    for path in PathName::ALL {
        let costs = rounds
            .iter()
            .filter_map(|runs| runs.get(&path).and_then(cost_us))
            .collect();
        figures.extend(Figure::of(
            &format!("{title}: {path}, CPU per query"),
            Unit::Microseconds,
            costs,
            &[],
        ));
    }
    for (path, most) in [
        (PathName::Tunnel, 1.0),
        (PathName::Split, if connections < 16 { 1.3 } else { 1.15 }),
    ] {
        let ratios = paired(rounds, path, PathName::Haproxy, cost_us);
        let name = format!("{title}: {path} / haproxy, CPU per query");
        figures.extend(Figure::of(&name, Unit::Ratio, ratios, &[("p50", most)]));
    }
    for path in [PathName::Haproxy, PathName::Tunnel, PathName::Split] {
        if connections == 1 {
            let added = rounds
                .iter()
                .filter_map(|runs| Some(runs.get(&path)?.mean_us - runs.get(&PathName::Direct)?.mean_us))
                .collect();
            let name = format!("{title}: {path}, added mean");
            figures.extend(Figure::of(&name, Unit::Microseconds, added, &[]));
        } else {
            let ratios = paired(rounds, path, PathName::Direct, |run| Some(run.queries));
            let name = format!("{title}: {path} / direct, throughput");
            let figure = Figure::of(&name, Unit::Ratio, ratios, &[]);
            let spread = load == Load::ReadOnlyAutocommit && path == PathName::Split && spare_cores();
            figures.extend(figure.map(|figure| if spread { figure.at_least("p50", 1.5) } else { figure }));
        }
    }
    figures
}

/// Three servers, a client and a router: with fewer cores they share what one server had for itself.
fn spare_cores() -> bool {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) >= 8
}

fn paired(rounds: &[Round], path: PathName, base: PathName, value: impl Fn(&Run) -> Option<f64>) -> Vec<f64> {
    rounds
        .iter()
        .filter_map(|runs| Some(value(runs.get(&path)?)? / value(runs.get(&base)?)?))
        .collect()
}
