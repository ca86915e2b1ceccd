//! `supervise`, `agent`, `route`: a configuration, a runtime, the role's `run`.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, RoleConfig};
use crate::output::{Console, Exit, Problem};
use crate::telemetry::{self, LogOptions};

/// Threads of an agent, which carries one machine's share of bytes.
const WORKERS: usize = 2;
/// A supervisor needs one beside Raft's own, a router one beside those that carry its clients: it decides and does little else,
/// and threads that wake each other would cost more than the work.
const DECIDER: usize = 1;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct RoleOptions {
    /// The role's configuration (YAML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only check the configuration: names the line and the field that is wrong
    #[arg(long)]
    check_config: bool,
    /// Be killed when the process that started this one ends
    #[arg(long, hide = true)]
    exit_with_parent: bool,
    #[command(flatten)]
    log: LogOptions,
}

pub(super) fn supervise(console: Console, options: &RoleOptions) -> anyhow::Result<Exit> {
    serve(console, options, "supervisor", DECIDER, quorate_supervisor::run)
}

pub(super) fn agent(console: Console, options: &RoleOptions) -> anyhow::Result<Exit> {
    serve(console, options, "agent", WORKERS, quorate_agent::run)
}

pub(super) fn route_with<F>(
    console: Console,
    options: &RoleOptions,
    run: impl FnOnce(quorate_router::Config, CancellationToken) -> F,
) -> anyhow::Result<Exit>
where
    F: Future<Output = Result<(), quorate_router::Error>>,
{
    serve(console, options, "router", DECIDER, run)
}

impl RoleOptions {
    /// The configuration file.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }
}

fn serve<C, E, F, R>(
    console: Console,
    options: &RoleOptions,
    role: &str,
    threads: usize,
    run: R,
) -> anyhow::Result<Exit>
where
    C: RoleConfig,
    E: std::error::Error + Send + Sync + 'static,
    F: Future<Output = Result<(), E>>,
    R: FnOnce(C, CancellationToken) -> F,
{
    let config: C = config::read_checked(&options.config)?;
    if options.check_config {
        console.remark(format_args!(
            "{} is a valid {role} configuration",
            options.config.display()
        ));
        return Ok(Exit::Ok);
    }
    telemetry::start(&options.log)?;
    if options.exit_with_parent {
        set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the parent")?;
    }
    let mut builder = if threads == DECIDER {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    let runtime = builder
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime
        .block_on(async {
            let shutdown = CancellationToken::new();
            let watcher = watch_signals(shutdown.clone())?;
            let outcome = tokio::select! {
                outcome = run(config, shutdown) => outcome,
                never = watcher => match never {},
            };
            outcome.map_err(|error| stopped(role, error).into())
        })
        .map(|()| Exit::Ok)
}

fn stopped<E: std::error::Error + Send + Sync + 'static>(role: impl Display, error: E) -> Problem {
    Problem::new(format!("the {role} stopped"), "").because(error)
}

/// Cancels `shutdown` on SIGTERM or SIGINT; the role then ends in good order.
fn watch_signals(shutdown: CancellationToken) -> anyhow::Result<impl Future<Output = std::convert::Infallible>> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        shutdown.cancel();
        std::future::pending().await
    })
}
