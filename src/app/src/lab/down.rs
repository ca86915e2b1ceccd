//! `lab down`: nothing is left behind, even if the runner died badly.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;

use super::dir::LabDir;
use super::inventory::Inventory;
use super::process;
use crate::output::{Console, Exit, Problem};

/// How long the runner may take to stop everything.
const RUNNER_GRACE: Duration = Duration::from_secs(10);
/// How long killed processes may take to disappear.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// What else to do.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct DownOptions {
    /// Delete the lab's folder as well, data included
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Debug, Serialize)]
struct Outcome {
    stopped: usize,
    purged: bool,
}

/// Stops the lab in `dir`.
pub(crate) async fn down(console: Console, dir: &LabDir, options: DownOptions) -> anyhow::Result<Exit> {
    let stopped = stop(dir).await?;
    if options.purge {
        purge(dir)?;
    }
    if console.json {
        console.document(&Outcome {
            stopped,
            purged: options.purge,
        })?;
    } else if stopped == 0 {
        console.line(format_args!("nothing was running in {}", dir.path().display()));
    } else {
        console.line(format_args!(
            "stopped the lab in {} ({stopped} processes)",
            dir.path().display()
        ));
    }
    Ok(Exit::Ok)
}

/// Stops everything; says how many processes there were.
pub(crate) async fn stop(dir: &LabDir) -> anyhow::Result<usize> {
    let before = process::of_lab(dir).len();
    if let Some(runner) = Inventory::load(dir).ok().flatten().map(|it| it.runner_pid)
        && process::is_runner(runner, dir)
        && process::signal(runner, dir, Signal::TERM)
    {
        process::gone(&[runner], RUNNER_GRACE).await;
    }
    // Twice: what a process started while it was being killed shows up in the second look.
    for _ in 0..2 {
        let left: Vec<u32> = process::of_lab(dir).into_iter().map(|found| found.pid).collect();
        for pid in &left {
            process::signal(*pid, dir, Signal::KILL);
        }
        process::gone(&left, KILL_GRACE).await;
    }
    let left = process::of_lab(dir);
    if let Some(found) = left.first() {
        return Err(Problem::new(
            format!("process {} ({}) of the lab does not die", found.pid, found.program),
            "it may hang on a disk; try `quorate lab down` again",
        )
        .into());
    }
    let _ = fs::remove_file(dir.inventory());
    Ok(before)
}

/// Deletes the folder of a stopped lab; refuses one that is no lab.
pub(crate) fn purge(dir: &LabDir) -> anyhow::Result<()> {
    if !dir.path().exists() {
        return Ok(());
    }
    if !dir.spec().exists() {
        return Err(Problem::usage(
            format!("`{}` holds no lab and is not deleted", dir.path().display()),
            "name the lab's folder with --lab DIR",
        )
        .into());
    }
    fs::remove_dir_all(dir.path()).map_err(|error| {
        Problem::new(format!("cannot delete `{}`", dir.path().display()), "delete it by hand")
            .because(error)
            .into()
    })
}
