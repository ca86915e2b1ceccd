//! One result of a gibibyte: how fast it comes, and whether the process in the middle grows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use quorate_api::clock::Clock;

use super::client::Client;
use super::path::{Path, PathName};
use super::process::resident_kib;
use super::stage::Stage;
use crate::bench::{Figure, Unit};
use crate::lab::Account;

/// 1024 rows of 1 MiB, made on the fly.
const SQL: &str = "SELECT REPEAT('x', 1048576) FROM app.seq_1_to_1024";
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Most that the router may grow by: a few buffers, not a result.
const GROWTH_MOST_MIB: f64 = 4.0;

#[derive(Debug, Clone, Copy)]
struct Sample {
    mib_per_second: f64,
    growth_mib: Option<f64>,
}

/// The rate of a 1 GiB result on every path, `rounds` times, and the growth of the process in the middle meanwhile.
///
/// # Errors
/// If a path does not carry it to the end.
pub fn bulk_rate(stage: &Stage<'_>, rounds: usize, say: impl Fn(&str)) -> Result<Vec<Figure>> {
    let mut all: Vec<BTreeMap<PathName, Sample>> = Vec::new();
    for round in 0..rounds {
        let mut samples = BTreeMap::new();
        for path in stage.turned(round) {
            let sample = fetch(path, &stage.account).with_context(|| format!("1 GiB on path {}", path.name))?;
            samples.insert(path.name, sample);
        }
        let each = samples
            .iter()
            .map(|(path, sample)| format!("{path} {:.0} MiB/s", sample.mib_per_second));
        let each = each.collect::<Vec<_>>().join(" | ");
        say(&format!("  {}/{rounds} {each}", round + 1));
        all.push(samples);
    }
    let mut figures = Vec::new();
    for path in PathName::ALL {
        let samples = || all.iter().filter_map(|round| round.get(&path));
        let rates = samples().map(|sample| sample.mib_per_second).collect();
        figures.extend(Figure::of(
            &format!("1 GiB result: {path}"),
            Unit::MebibytesPerSecond,
            rates,
            &[],
        ));
        let ours = matches!(path, PathName::Tunnel | PathName::Split);
        let targets: &[_] = if ours { &[("max", GROWTH_MOST_MIB)] } else { &[] };
        let growth = samples().filter_map(|sample| sample.growth_mib).collect();
        let name = format!("1 GiB result: {path}, growth of resident memory");
        figures.extend(Figure::of(&name, Unit::Mebibytes, growth, targets));
        if ours {
            let ratios = all
                .iter()
                .filter_map(|round| {
                    Some(round.get(&path)?.mib_per_second / round.get(&PathName::Haproxy)?.mib_per_second)
                })
                .collect();
            let name = format!("1 GiB result: {path} / haproxy, rate");
            figures.extend(Figure::of(&name, Unit::Ratio, ratios, &[]).map(|figure| figure.at_least("p50", 0.9)));
        }
    }
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "a gibibyte is far below 2^52")]
fn fetch(path: &Path, account: &Account) -> Result<Sample> {
    let mut client = Client::log_in(path, account)?;
    client.ask("SELECT 1")?;
    let before = path.pid.map(resident_kib).transpose()?;
    let done = AtomicBool::new(false);
    let (fetched, highest) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| -> Result<u64> {
            let mut highest = 0;
            while !done.load(Ordering::Relaxed) {
                if let Some(pid) = path.pid {
                    highest = resident_kib(pid)?.max(highest);
                }
                std::thread::sleep(LOOK_EVERY);
            }
            Ok(highest)
        });
        let began = Clock.now();
        let bytes = client.read_result(SQL);
        let took = Clock.now().since(began);
        done.store(true, Ordering::Relaxed);
        (bytes.map(|bytes| (bytes, took)), watch.join())
    });
    let (bytes, took) = fetched?;
    let highest = highest.map_err(|_| anyhow!("the watch of the memory panicked"))??;
    Ok(Sample {
        mib_per_second: bytes as f64 / f64::from(1 << 20) / took.as_secs_f64(),
        growth_mib: before.map(|before| highest.saturating_sub(before) as f64 / 1024.0),
    })
}
