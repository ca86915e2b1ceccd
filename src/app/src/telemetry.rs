//! Logs: for people on a terminal, as JSON for machines.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::output::Problem;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line per event.
    #[default]
    Human,
    /// One JSON object per event.
    Json,
}

/// What to log and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LogOptions {
    /// What is logged: a level, or targets with levels (`info,quorate_agent=debug`)
    #[arg(
        long,
        env = "QUORATE_LOG",
        default_value = "info,openraft=warn",
        value_name = "FILTER",
        hide_env_values = true
    )]
    log: String,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Starts logging to stderr. Call once.
pub(crate) fn start(options: &LogOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log).map_err(|error| {
        Problem::usage(
            format!("`{}` is no log filter", options.log),
            "give a level (error, warn, info, debug, trace) or targets with levels: info,quorate_agent=debug",
        )
        .because(error)
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match options.log_format {
        LogFormat::Human => log.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(anyhow::Error::from_boxed)
    .context("starting the log")
}
