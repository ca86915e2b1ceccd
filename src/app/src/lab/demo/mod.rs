//! `lab demo`: a primary is killed before the user's eyes, and every write is accounted for.
//!
//! [`writers`] write through the router as any application would and note each outcome; [`account`] reads everything
//! back from the new primary and compares.

mod account;
mod writers;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};
use quorate_api::rest::{NodeStateView, PhaseView, StatusView};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::dir::LabDir;
use super::inventory::Inventory;
use super::progress::Progress;
use super::spec::RestartDelay;
use super::up::{self, UpOptions};
use super::{accounts, database, down, process, show};
use crate::cli;
use crate::output::{Console, Exit, Problem};
use account::Account;
use writers::Writers;

/// Writers at a time, as in the acceptance tests.
const WRITERS: u32 = 4;
/// Writing before the kill.
const BEFORE_KILL: Duration = Duration::from_secs(3);
/// Writing after writes flow again.
const AFTER_RECOVERY: Duration = Duration::from_secs(2);
/// How long writes may stay away before the demo calls it a failure.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// How long the old primary may take to come back as a replica.
const REJOIN_MAX: Duration = Duration::from_secs(30);
/// How often the demo looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How the demo runs.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct DemoOptions {
    /// Tear everything down at the end; ends with 0 only if nothing was lost
    #[arg(long)]
    once: bool,
}

/// Shows a failover; in `dir` if one is named, else in a temporary folder that is deleted afterwards.
pub(crate) async fn demo(console: Console, dir: Option<&Path>, options: DemoOptions) -> anyhow::Result<Exit> {
    let temporary = dir.is_none();
    let path = dir.map_or_else(
        || std::env::temp_dir().join(format!("quorate-demo-{}", accounts::random_id())),
        Path::to_path_buf,
    );
    let dir = LabDir::at(&path)?;
    let outcome = perform(console, &dir, options).await;
    down::stop(&dir).await?;
    // A failed demo keeps its logs.
    if temporary && outcome.is_ok() {
        down::purge(&dir)?;
    }
    outcome
}

async fn perform(console: Console, dir: &LabDir, options: DemoOptions) -> anyhow::Result<Exit> {
    console.remark(format_args!(
        "starting three supervisors, three MariaDB servers with their agents and a router in {} (10 to 30 s)",
        dir.path().display()
    ));
    let up = UpOptions {
        base_port: None,
        mariadb: 3,
        routers: 1,
        restart_delay: RestartDelay::After(Duration::from_secs(1)),
        timeout: 180,
    };
    let runner = up::start(console, dir, &up, false).await?;
    let account = tokio::select! {
        account = show_failover(console, dir) => account?,
        signal = up::interrupted() => {
            signal?;
            return Ok(Exit::Failure);
        }
    };
    report(console, dir, &account).await?;
    if !options.once {
        stay(console, dir, runner).await?;
    }
    Ok(if account.lost.is_empty() {
        Exit::Ok
    } else {
        Exit::Failure
    })
}

/// Writes, kills, writes on, counts.
async fn show_failover(console: Console, dir: &LabDir) -> anyhow::Result<Account> {
    let inventory = Inventory::require(dir)?;
    let opts = database::writing(&inventory)?;
    let status = ready(&inventory).await?;
    if !console.json {
        cli::print_status(console, &status);
    }
    prepare(&opts).await?;
    let mut progress = Progress::new(console);
    progress.stage(format_args!("{WRITERS} writers insert rows through the router"));
    let writers = Writers::start(&opts, WRITERS);
    sleep(BEFORE_KILL).await;

    let (victim, pid) = primary(dir, &status).await?;
    progress.milestone(format_args!(
        "{} writes acknowledged; now killing the primary {victim} (mariadbd, pid {pid}) with SIGKILL",
        writers.acknowledged()
    ));
    let killed_at = Instant::now();
    if !process::signal(pid, dir, Signal::KILL) {
        return Err(Problem::new(format!("cannot kill {victim} (pid {pid})"), "start the demo anew").into());
    }
    progress.stage("waiting for writes to flow again");
    let recovered = writers.flowing_after(killed_at, RECOVERY_MAX).await;
    if recovered {
        progress.stage("writes flow again");
        sleep(AFTER_RECOVERY).await;
    }
    let outcomes = writers.stop().await;
    progress.stage("reading everything back from the new primary");
    let account = Account::settle(&opts, victim, killed_at, outcomes).await;
    progress.done();
    let account = account?;
    if !recovered {
        let waiting = show::waiting(&inventory)
            .await
            .unwrap_or_else(|| "no supervisor answers".to_owned());
        return Err(Problem::new(
            format!(
                "no write was acknowledged within {} s after the kill ({waiting})",
                RECOVERY_MAX.as_secs()
            ),
            format!("the logs are in {}", dir.path().join("log").display()),
        )
        .into());
    }
    Ok(account)
}

/// Waits until every node is healthy: a failover with one of three missing would show less.
async fn ready(inventory: &Inventory) -> anyhow::Result<StatusView> {
    let deadline = Instant::now() + REJOIN_MAX;
    loop {
        let status = show::status(inventory).await;
        let late = Instant::now() >= deadline;
        match status {
            Ok(view) if late || view.clusters.iter().all(whole) => return Ok(view),
            Err(error) if late => return Err(error),
            Ok(_) | Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

fn whole(cluster: &quorate_api::rest::ClusterStatus) -> bool {
    cluster.phase == PhaseView::Open
        && cluster.nodes.iter().all(|node| node.state == NodeStateView::Healthy)
        && cluster.ack_set.len() + 1 == cluster.nodes.len()
}

async fn prepare(opts: &Opts) -> anyhow::Result<()> {
    let work = async {
        let mut conn = Conn::new(opts.clone()).await?;
        conn.query_drop("CREATE DATABASE IF NOT EXISTS app").await?;
        conn.query_drop(
            "CREATE TABLE IF NOT EXISTS app.demo (id BIGINT UNSIGNED PRIMARY KEY, writer INT UNSIGNED NOT NULL, \
             at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)) ENGINE=InnoDB",
        )
        .await?;
        conn.query_drop("DELETE FROM app.demo").await?;
        conn.disconnect().await
    };
    timeout(RECOVERY_MAX, work)
        .await
        .context("creating the demo's table took too long")?
        .context("creating the demo's table")
}

async fn primary(dir: &LabDir, status: &StatusView) -> anyhow::Result<(String, u32)> {
    let inventory = Inventory::require(dir)?;
    let current = show::status(&inventory).await;
    let view = current.as_ref().unwrap_or(status);
    let victim = view.clusters.first().and_then(|cluster| cluster.primary.clone());
    let node = inventory
        .mariadb
        .into_iter()
        .find(|node| Some(&node.id) == victim.as_ref());
    node.and_then(|node| Some((node.id, node.pid?)))
        .ok_or_else(|| Problem::new("there is no primary to kill", "see `quorate explain`").into())
}

async fn report(console: Console, dir: &LabDir, account: &Account) -> anyhow::Result<()> {
    let inventory = Inventory::require(dir)?;
    let mut progress = Progress::new(console);
    progress.stage(format_args!("waiting for {} to come back as a replica", account.killed));
    let status = ready(&inventory).await;
    progress.done();
    let status = status?;
    let cluster = status.clusters.first();
    let primary = cluster.and_then(|cluster| cluster.primary.clone());
    let epoch = cluster.map(|cluster| cluster.epoch);
    if console.json {
        return console.document(&account.document(primary, epoch));
    }
    cli::print_status(console, &status);
    console.line("");
    account.print(console);
    console.line(format_args!(
        "primary now:          {} (epoch {})",
        primary.as_deref().unwrap_or("none"),
        epoch.unwrap_or_default()
    ));
    Ok(())
}

async fn stay(console: Console, dir: &LabDir, runner: Child) -> anyhow::Result<()> {
    if !console.json {
        console.line("");
        show::print_addresses(console, dir, &Inventory::require(dir)?);
        console.remark("the lab stays up until Ctrl-C");
    }
    up::hold(dir, runner).await.map(|_| ())
}
