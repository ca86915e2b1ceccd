//! `lab up`: prepares the folder, starts the runner and returns when the tier is open for writes.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::dir::LabDir;
use super::inventory::Inventory;
use super::progress::Progress;
use super::spec::{LabSpec, MARIADB_MAX, RestartDelay};
use super::{create, database, down, logs, show};
use crate::output::{Console, Exit, Problem};

/// How often the way up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long one look through the router may take.
const LOOK_MAX: Duration = Duration::from_millis(500);
/// Lines of a log shown when the lab does not come up.
const TAIL_LINES: usize = 15;

/// The lab to start.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpOptions {
    /// First of the ports to use on 127.0.0.1 [default: a free block is found]
    #[arg(long, value_name = "N")]
    pub(crate) base_port: Option<u16>,
    /// How many MariaDB servers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=i64::from(MARIADB_MAX)))]
    pub(crate) mariadb: u16,
    /// How many routers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4))]
    pub(crate) routers: u16,
    /// When a process that died is started again: a delay such as 1s or 250ms, or never
    #[arg(long, value_name = "DELAY", default_value = "1s")]
    pub(crate) restart_delay: RestartDelay,
    /// How long to wait for the tier to open, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) timeout: u64,
}

/// Starts the lab in `dir`; detached it stays up afterwards, else until Ctrl-C.
pub(crate) async fn up(console: Console, dir: &LabDir, options: &UpOptions, detach: bool) -> anyhow::Result<Exit> {
    let runner = start(console, dir, options, detach).await?;
    if console.json {
        console.document(&Inventory::require(dir)?)?;
    } else {
        show::print(console, dir).await?;
    }
    if detach {
        return Ok(Exit::Ok);
    }
    if !console.json {
        console.remark("the lab stays up until Ctrl-C");
    }
    hold(dir, runner).await
}

/// Stays until Ctrl-C or the runner's end, then takes the lab down.
pub(crate) async fn hold(dir: &LabDir, mut runner: Child) -> anyhow::Result<Exit> {
    let exit = tokio::select! {
        signal = interrupted() => {
            signal?;
            Exit::Ok
        }
        _ = runner.wait() => Exit::Failure,
    };
    down::stop(dir).await?;
    match exit {
        Exit::Ok => Ok(exit),
        _ => Err(Problem::new("the lab's runner ended", format!("see {}", dir.log("runner").display())).into()),
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done.context("listening for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

/// Starts the lab and waits until it is open for writes; on failure everything is taken down again.
pub(crate) async fn start(console: Console, dir: &LabDir, options: &UpOptions, detach: bool) -> anyhow::Result<Child> {
    if let Some(inventory) = Inventory::load(dir)?
        && inventory.is_live(dir)
    {
        return Err(Problem::usage(
            format!("a lab is up in `{}` already", dir.path().display()),
            "look at it with `quorate lab status`, stop it with `quorate lab down`, or use another folder: --dir DIR",
        )
        .into());
    }
    let mut progress = Progress::new(console);
    // What an earlier runner left behind would hold the ports.
    down::stop(dir).await?;
    let spec = create::create(dir, options, &mut progress).await?;
    progress.stage("starting the processes");
    let mut runner = spawn_runner(dir, detach)?;
    let opened = tokio::select! {
        opened = open(dir, &spec, &mut runner, Duration::from_secs(options.timeout), &mut progress) => opened,
        signal = interrupted() => signal.and_then(|()| Err(Problem::new("interrupted", "").into())),
    };
    progress.done();
    if let Err(error) = opened {
        explain(console, dir, &spec);
        down::stop(dir).await?;
        return Err(error);
    }
    Ok(runner)
}

fn spawn_runner(dir: &LabDir, detach: bool) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.log("runner"))
        .context("opening the runner's log")?;
    let mut command = Command::new(program);
    // In this order: `lab down` knows a runner by these four words.
    command.args(["lab", "run", "--dir"]).arg(dir.path());
    if !detach {
        // Ctrl-C on the terminal is for this process, which then stops the runner in good order.
        command.arg("--attached").process_group(0);
    }
    command
        .current_dir(dir.path())
        .stdin(if detach { Stdio::null() } else { Stdio::piped() })
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting the lab's runner")
}

async fn open(
    dir: &LabDir,
    spec: &LabSpec,
    runner: &mut Child,
    limit: Duration,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = runner.try_wait().context("waiting for the lab's runner")? {
            return Err(Problem::new(
                format!("the lab's runner ended: {status}"),
                format!("see {}", dir.log("runner").display()),
            )
            .into());
        }
        if let Some(inventory) = Inventory::load(dir)? {
            progress.stage(stage(spec, &inventory).await);
            if database::is_writable(&database::writing(&inventory)?, LOOK_MAX).await {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Problem::new(
        format!("the tier did not open for writes within {} s", limit.as_secs()),
        format!(
            "the last lines of the logs are above; the whole logs are in {}; a slow machine may need --timeout",
            dir.path().join("log").display()
        ),
    )
    .into())
}

async fn stage(spec: &LabSpec, inventory: &Inventory) -> String {
    if let Some(id) = inventory.missing().first() {
        return format!("{id} is not running; its log says why if this lasts");
    }
    let servers = inventory.mariadb.iter().filter(|node| node.pid.is_some()).count();
    let wanted = usize::from(spec.mariadb);
    if inventory.mariadb.iter().any(|node| !node.datadir.exists()) {
        return "initialising the data directories".to_owned();
    }
    if servers < wanted {
        return format!("starting MariaDB: {servers} of {wanted} run");
    }
    show::waiting(inventory)
        .await
        .unwrap_or_else(|| "waiting for the supervisors to elect a leader".to_owned())
}

/// The ends of the logs.
fn explain(console: Console, dir: &LabDir, spec: &LabSpec) {
    let processes = spec.processes().into_iter().map(|(id, _)| id);
    let mut files = vec![dir.log("runner")];
    files.extend(processes.map(|id| dir.log(&id)));
    files.extend(spec.node_ports().into_iter().map(|it| dir.server_log(&it.id)));
    for file in files {
        let lines = logs::tail(&file, TAIL_LINES);
        if !lines.is_empty() {
            console.remark(format_args!("--- {}", file.display()));
            lines.into_iter().for_each(|line| console.remark(line));
        }
    }
}
