//! `route`: a router, which takes up a changed configuration while it serves, and may take over from a running one.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use quorate_router::{Config, Error, Router};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::role::{RoleOptions, route_with};
use crate::config;
use crate::output::{Console, Exit};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, clap::Args)]
pub(super) struct RouteOptions {
    #[command(flatten)]
    role: RoleOptions,
    /// Take over from the router that runs with this configuration, if one does: no connection and no reply is lost
    #[arg(long)]
    take_over: bool,
}

/// What tells one content of a file from another without reading it.
type Stamp = (u64, u64, i64, i64);

/// The configuration file, watched.
struct Watched {
    path: PathBuf,
    stamp: Option<Stamp>,
    hangup: Signal,
}

pub(super) fn route(console: Console, options: &RouteOptions) -> anyhow::Result<Exit> {
    let (path, take_over) = (options.role.config().to_owned(), options.take_over);
    route_with(console, &options.role, move |config, shutdown| {
        run(path, take_over, config, shutdown)
    })
}

async fn run(path: PathBuf, take_over: bool, config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let watched = Watched::new(path);
    let (changed, changes) = watch::channel(config.clone());
    let router = if take_over {
        Router::take_over(config).await?
    } else {
        Router::bind(config).await?
    };
    let serving = router.run_changing(changes, shutdown);
    let mut watched = match watched {
        Ok(watched) => watched,
        Err(error) => {
            tracing::error!(%error, "changes of the configuration will not be noticed");
            serving.await;
            return Ok(());
        }
    };
    tokio::select! {
        () = serving => Ok(()),
        never = watched.tell(&changed) => match never {},
    }
}

impl Watched {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            // Looked at once soon after the start: it may have been replaced while it was read.
            stamp: None,
            path,
            hangup: signal(SignalKind::hangup()).context("listening for SIGHUP")?,
        })
    }

    /// Tells every usable change, at SIGHUP or a moment after the file was replaced. What cannot be used is logged.
    async fn tell(&mut self, changed: &watch::Sender<Config>) -> Infallible {
        loop {
            let asked = tokio::select! {
                hangup = self.hangup.recv() => hangup.is_some(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = stamp(&self.path);
            if !asked && (now == self.stamp || now.is_none()) {
                continue;
            }
            self.stamp = now;
            match config::read_checked::<Config>(&self.path) {
                Ok(config) => {
                    tracing::debug!(file = %self.path.display(), asked, "configuration was read again");
                    changed.send_replace(config);
                }
                Err(problem) => {
                    tracing::error!(%problem, "the changed configuration cannot be used; the present one stays");
                }
            }
        }
    }
}

/// Of the file itself, behind all links: mounted configuration is replaced by moving a link.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}
