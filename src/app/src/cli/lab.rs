//! `lab`: its sub-verbs.

use std::path::{Path, PathBuf};

use super::Global;
use crate::lab::demo::{self, DemoOptions};
use crate::lab::{self, Deed, DownOptions, KillScope, LabDir, UpOptions, runner};
use crate::output::{Console, Exit};
use crate::telemetry::{self, LogOptions};

/// Where a lab is, unless said otherwise.
const DEFAULT_DIR: &str = "quorate-lab";

#[derive(Debug, Clone, clap::Args)]
pub(super) struct LabOptions {
    /// The lab's folder [default: the one given by --lab, else ./quorate-lab]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: LabVerb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum LabVerb {
    /// Start a lab: three supervisors, MariaDB servers with their agents, a router
    Up {
        #[command(flatten)]
        options: UpOptions,
        /// Return when the tier is open for writes; stop it with `quorate lab down`
        #[arg(long)]
        detach: bool,
    },
    /// Show who runs where
    Status,
    /// Stop a lab
    Down(DownOptions),
    /// Kill a process with SIGKILL: m1's server, s1, r1
    Kill {
        /// Which
        id: String,
        /// Of a MariaDB node: the agent instead of the server
        #[arg(long, conflicts_with = "all")]
        agent: bool,
        /// Of a MariaDB node: agent and server together
        #[arg(long)]
        all: bool,
    },
    /// Stop a process with SIGSTOP; of a MariaDB node, agent and server together
    Freeze {
        /// Which
        id: String,
    },
    /// Let a frozen process go on
    Thaw {
        /// Which
        id: String,
    },
    /// Stop a process in good order and start it at once
    Restart {
        /// Which
        id: String,
    },
    /// Kill a primary before your eyes and count what was lost
    Demo(DemoOptions),
    /// Be the lab's runner
    #[command(hide = true)]
    Run {
        /// End when stdin closes
        #[arg(long)]
        attached: bool,
        #[command(flatten)]
        log: LogOptions,
    },
}

pub(super) async fn run(console: Console, global: &Global, options: LabOptions) -> anyhow::Result<Exit> {
    let named = options.dir.as_deref().or(global.lab.as_deref());
    let dir = || LabDir::at(named.unwrap_or_else(|| Path::new(DEFAULT_DIR)));
    match options.verb {
        LabVerb::Up { options, detach } => lab::up(console, &dir()?, &options, detach).await,
        LabVerb::Status => lab::show(console, &dir()?).await,
        LabVerb::Down(options) => lab::down(console, &dir()?, options).await,
        LabVerb::Kill { id, agent, all } => {
            let scope = match (agent, all) {
                (true, _) => KillScope::Agent,
                (false, true) => KillScope::All,
                (false, false) => KillScope::Server,
            };
            lab::play(console, &dir()?, Deed::Kill(scope), &id).await
        }
        LabVerb::Freeze { id } => lab::play(console, &dir()?, Deed::Freeze, &id).await,
        LabVerb::Thaw { id } => lab::play(console, &dir()?, Deed::Thaw, &id).await,
        LabVerb::Restart { id } => lab::play(console, &dir()?, Deed::Restart, &id).await,
        LabVerb::Demo(options) => demo::demo(console, named, options).await,
        LabVerb::Run { attached, log } => {
            telemetry::start(&log)?;
            runner::run(dir()?, attached).await.map(|()| Exit::Ok)
        }
    }
}
