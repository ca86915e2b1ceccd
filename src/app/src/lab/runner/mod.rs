//! The runner: keeps the lab's processes running, as a kubelet would, and says in `lab.json` who runs where.
//!
//! One task per process starts it, waits for its end and starts it again ([`slot`]); the loop here owns `lab.json`.
//! It ends on SIGTERM, or with its starter when it was started attached (its stdin closes), and takes everything
//! down with it. Should it be killed, the kernel takes its children down (parent death signal), and `lab down`
//! finds whatever is left.

mod control;
mod registry;
mod slot;

use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dir::LabDir;
use super::spec::LabSpec;
use crate::output::Problem;
use registry::Registry;
use slot::Slot;

pub(crate) use control::{Request, ask};

/// How often the servers' pids are looked up; they are the agents' children, so nobody tells.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Events in flight from the slots.
const EVENTS_MAX: usize = 64;

/// Runs the lab in `dir` until told to stop.
pub(crate) async fn run(dir: LabDir, attached: bool) -> anyhow::Result<()> {
    let spec = LabSpec::load(&dir)?.ok_or_else(|| {
        Problem::usage(
            format!("`{}` holds no lab", dir.path().display()),
            "use `quorate lab up`, which prepares the folder and starts the runner",
        )
    })?;
    if !attached {
        // A session of its own: the terminal's Ctrl-C and hang-up are not meant for it.
        rustix::process::setsid().context("leaving the terminal's session")?;
    }
    let mut starter = starter(attached)?;
    let mut registry = Registry::new(&dir, &spec)?;
    let control = control::listen(&dir)?;
    let (tell, mut events) = mpsc::channel(EVENTS_MAX);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut slots = Vec::new();
    for (id, kind) in spec.processes() {
        let slot = Slot::new(id, kind, dir.clone(), spec.restart);
        slots.push(slot.start(&tasks, tell.clone(), stop.clone())?);
    }
    drop(tell);
    tasks.close();
    registry.save()?;
    tracing::info!(dir = %dir.path().display(), "the lab's runner started");

    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = starter_gone(&mut starter) => break,
            Some(event) = events.recv() => registry.note(&event)?,
            accepted = control.accept() => {
                let (stream, _) = accepted.context("accepting a request")?;
                tasks.spawn(control::serve(stream, slots.clone()));
            }
            _ = look.tick() => registry.look()?,
        }
    }
    tracing::info!("stopping the lab");
    stop.cancel();
    while let Some(event) = events.recv().await {
        registry.note(&event)?;
    }
    tasks.wait().await;
    registry.remove();
    let _ = std::fs::remove_file(dir.control());
    Ok(())
}

/// The pipe that an attached starter holds open.
fn starter(attached: bool) -> anyhow::Result<Option<pipe::Receiver>> {
    if !attached {
        return Ok(None);
    }
    let stdin = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("taking over stdin")?;
    Ok(Some(
        pipe::Receiver::from_owned_fd(stdin).context("stdin is no pipe; --attached needs one")?,
    ))
}

/// Waits until the starter ended, however it ended.
async fn starter_gone(starter: &mut Option<pipe::Receiver>) {
    let Some(pipe) = starter else {
        return std::future::pending().await;
    };
    let mut byte = [0];
    while !matches!(pipe.read(&mut byte).await, Ok(0) | Err(_)) {}
}
