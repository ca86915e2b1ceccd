//! Failovers under 64 connections of autocommit reads and writes: nobody may see an error, and nobody may wait much
//! longer than the failover takes. The longest statement before the kill says how long one waits in such a load anyway.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};
use quorate_api::clock::Clock;
use tokio::task::JoinSet;

use super::path::{Path, PathName};
use super::stage::Stage;
use crate::bench::{Figure, Unit};
use crate::checkers::write_gap;
use crate::lab::Lab;
use crate::nemesis;
use crate::workloads::SetWorkload;

/// Connections, half of them reading.
const CONNECTIONS: usize = 64;
/// Writers that dial anew whenever their connection breaks: how long the failover takes without any help.
const PROBES: u64 = 2;
const PROBE_WARM: u64 = 20;
/// Statements that must flow before the kill and after it.
const WARM: u64 = 2_000;
const STANDSTILL: Duration = Duration::from_secs(30);
const RECOVERY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// How much longer than the failover a client may wait.
const OVER_MOST_MS: f64 = 50.0;

/// One failover, as its clients saw it.
struct Round {
    /// Until a new connection writes.
    gap: Duration,
    /// The longest statement before the kill.
    calm: Duration,
    /// The longest statement that ended after it.
    stall: Duration,
    errors: f64,
}

/// What all clients saw.
#[derive(Debug, Default)]
struct Seen {
    statements: AtomicU64,
    errors: AtomicU64,
    stop: AtomicBool,
    /// The slowest statement since it was last asked for.
    longest: Mutex<Option<Duration>>,
    first_error: Mutex<Option<String>>,
}

/// SIGKILLs the primary's server `rounds` times under load on the split path. Nothing if that path is not measured.
///
/// # Errors
/// If the tier does not recover, or nothing flows again.
pub async fn failovers(stage: &Stage<'_>, rounds: usize, say: impl Fn(&str)) -> Result<Vec<Figure>> {
    let Some(path) = stage.paths.iter().find(|path| path.name == PathName::Split) else {
        return Ok(Vec::new());
    };
    let probe_address = stage.lab.info()?.routers.first().context("no router")?.tunnel.clone();
    let probe = SetWorkload::options(&stage.lab.info()?, &probe_address)?;
    SetWorkload::prepare(&probe).await?;
    prepare(&stage.options(path)).await?;
    let mut seen = Vec::new();
    for round in 0..rounds {
        seen.push(one(stage, path, &probe, round, &say).await?);
    }
    Ok(figures(&seen))
}

fn figures(rounds: &[Round]) -> Vec<Figure> {
    let each = |of: fn(&Round) -> Duration| rounds.iter().map(of).collect::<Vec<_>>();
    let over = |round: &Round| (round.stall.as_secs_f64() - round.gap.as_secs_f64()) * 1000.0;
    let name = |what: &str| format!("failover, {CONNECTIONS} conn: {what}");
    let mut figures = Vec::new();
    figures.extend(Figure::of(
        &name("errors seen by clients"),
        Unit::Count,
        rounds.iter().map(|round| round.errors).collect(),
        &[("max", 0.0)],
    ));
    figures.extend(Figure::of_gaps(
        &name("time until a new connection writes"),
        &each(|round| round.gap),
        &[],
    ));
    figures.extend(Figure::of_gaps(
        &name("longest statement before the kill"),
        &each(|round| round.calm),
        &[],
    ));
    figures.extend(Figure::of_gaps(
        &name("longest statement"),
        &each(|round| round.stall),
        &[],
    ));
    figures.extend(Figure::of(
        &name("longest statement above that time"),
        Unit::Milliseconds,
        rounds.iter().map(over).collect(),
        &[("max", OVER_MOST_MS)],
    ));
    figures
}

async fn prepare(options: &Opts) -> Result<()> {
    let mut conn = Conn::new(options.clone()).await?;
    conn.query_drop(
        "CREATE TABLE IF NOT EXISTS app.stall (id BIGINT UNSIGNED PRIMARY KEY, n BIGINT UNSIGNED NOT NULL)",
    )
    .await?;
    for id in 0..CONNECTIONS {
        conn.query_drop(format!("REPLACE INTO app.stall VALUES ({id}, 0)"))
            .await?;
    }
    conn.disconnect().await?;
    Ok(())
}

/// One failover.
async fn one(stage: &Stage<'_>, path: &Path, probe: &Opts, round: usize, say: &impl Fn(&str)) -> Result<Round> {
    let lab: &Lab = stage.lab;
    let before = lab.wait_healthy(RECOVERY)?;
    let primary = before.primary.context("no primary")?;
    let seen = Arc::new(Seen::default());
    let clients = start(&stage.options(path), &seen).await?;
    let probes = SetWorkload::start(probe, PROBES, 9_000_u64.saturating_add(round as u64));
    wait(&seen, WARM).await?;
    probes.wait_for(PROBE_WARM, STANDSTILL).await?;
    let calm = seen.longest().context("no statement")?;
    let struck = Clock.now();
    nemesis::kill_server(lab, &primary)?;
    probes.wait_for(PROBE_WARM, STANDSTILL).await?;
    let counted = seen.statements.load(Ordering::Relaxed);
    wait(&seen, counted.saturating_add(WARM)).await?;
    seen.stop.store(true, Ordering::Relaxed);
    finish(clients).await?;
    let history = probes.finish().await?;
    let gap = write_gap(&history, struck).context("nothing was acknowledged after the kill")?;
    let stall = seen.longest().context("no statement")?;
    let errors = seen.errors.load(Ordering::Relaxed);
    let first = seen.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
    say(&format!(
        "  killed {primary}: failover {gap:?}, longest statement {stall:?} (before it {calm:?}), {errors} errors{}",
        first.map_or_else(String::new, |error| format!(", the first: {error}"))
    ));
    #[expect(clippy::cast_precision_loss, reason = "counts of errors are small")]
    Ok(Round {
        gap,
        calm,
        stall,
        errors: errors as f64,
    })
}

async fn start(options: &Opts, seen: &Arc<Seen>) -> Result<JoinSet<Result<()>>> {
    let mut clients = JoinSet::new();
    for id in 0..CONNECTIONS {
        let conn = Conn::new(options.clone()).await?;
        clients.spawn(client(conn, options.clone(), id, seen.clone()));
    }
    Ok(clients)
}

/// Every second client writes. One whose connection breaks counts that and dials again, so that the load stays.
async fn client(mut conn: Conn, options: Opts, id: usize, seen: Arc<Seen>) -> Result<()> {
    let sql = if id.is_multiple_of(2) {
        format!("UPDATE app.stall SET n = n + 1 WHERE id = {id}")
    } else {
        format!("SELECT n FROM app.stall WHERE id = {id}")
    };
    while !seen.stop.load(Ordering::Relaxed) {
        let began = Clock.now();
        let done = conn.query_drop(&sql).await;
        seen.note(Clock.now().since(began));
        if let Err(error) = done {
            seen.failed(&error);
            while let Err(error) = redial(&mut conn, &options).await {
                ensure!(!seen.stop.load(Ordering::Relaxed), "still cannot dial: {error}");
                tokio::time::sleep(POLL).await;
            }
        }
    }
    Ok(())
}

async fn redial(conn: &mut Conn, options: &Opts) -> Result<()> {
    *conn = Conn::new(options.clone()).await?;
    Ok(())
}

impl Seen {
    fn failed(&self, error: &mysql_async::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
    }

    fn note(&self, took: Duration) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = (*longest).max(Some(took));
    }

    /// The slowest statement that ended since the last call.
    fn longest(&self) -> Option<Duration> {
        self.longest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn wait(seen: &Seen, statements: u64) -> Result<()> {
    let flowing = async {
        while seen.statements.load(Ordering::Relaxed) < statements {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(STANDSTILL, flowing)
        .await
        .map_err(|_| anyhow!("no statements flow"))
}

async fn finish(mut clients: JoinSet<Result<()>>) -> Result<()> {
    let ends = async {
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        Ok(())
    };
    tokio::time::timeout(STANDSTILL, ends)
        .await
        .map_err(|_| anyhow!("clients do not end"))?
}
