//! Starts the server on a thread that lives as long as it does.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{PidfdFlags, pidfd_open};
use tokio::sync::watch;

use super::{Exit, ProcessError};
use crate::binaries::Binaries;
use crate::layout::Layout;
use crate::owner;

/// How to start the server.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The programs.
    pub binaries: Binaries,
    /// Where its files are. The configuration file must have been written.
    pub layout: Layout,
    /// The operating system's user to run as; `None` for our own.
    pub run_as: Option<String>,
}

/// A process that was started, and the way to learn of its end.
pub(super) struct Spawned {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
    pub(super) exit: watch::Receiver<Option<Exit>>,
}

/// Starts the server.
///
/// A thread is dedicated to it: the kernel's parent-death signal fires when the *thread* that started the child ends, so it
/// must be one that lives as long as the child, and the same thread waits for the exit.
pub(super) fn spawn(launch: &Launch) -> Result<Spawned, ProcessError> {
    let program = launch.binaries.server.clone();
    let failed = |source| ProcessError::Spawn {
        program: program.clone(),
        source,
    };
    let mut command = command(launch).map_err(failed)?;
    let (started_tx, started_rx) = mpsc::sync_channel(1);
    let (exit_tx, exit) = watch::channel(None);
    thread::Builder::new()
        .name("mariadbd-parent".to_owned())
        .spawn(move || own_child(&mut command, &started_tx, &exit_tx))
        .map_err(failed)?;
    let (pid, pidfd) = started_rx
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the starting thread ended")))
        .map_err(failed)?;
    Ok(Spawned { pid, pidfd, exit })
}

/// `setpriv` asks the kernel for the parent-death signal and then *becomes* mariadbd. It also switches the user, since a
/// later switch inside mariadbd would clear that request.
fn command(launch: &Launch) -> io::Result<Command> {
    let layout = &launch.layout;
    let stderr = OpenOptions::new().create(true).append(true).open(layout.error_log())?;
    owner::hand_over(
        launch.run_as.as_deref(),
        &[layout.home(), &layout.error_log(), &layout.config_file()],
    )?;
    let mut command = if let Some(setpriv) = &launch.binaries.setpriv {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = &launch.run_as {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.arg(&launch.binaries.server);
        command
    } else {
        Command::new(&launch.binaries.server)
    };
    command.arg(format!("--defaults-file={}", layout.config_file().display()));
    match &launch.run_as {
        Some(user) => command.arg(format!("--user={user}")),
        None if rustix::process::geteuid().is_root() => command.arg("--user=root"),
        None => &mut command,
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .current_dir(layout.home());
    Ok(command)
}

type Started = io::Result<(u32, OwnedFd)>;

/// The life of the parent thread: start, report, wait, report.
fn own_child(command: &mut Command, started: &mpsc::SyncSender<Started>, exit: &watch::Sender<Option<Exit>>) {
    let spawned = command.spawn().and_then(|mut child| match open_pidfd(&child) {
        Ok(pidfd) => Ok((child, pidfd)),
        Err(error) => {
            let _already_failing = child.kill();
            Err(error)
        }
    });
    match spawned {
        Ok((mut child, pidfd)) => {
            let _caller_gone = started.send(Ok((child.id(), pidfd)));
            // An init process that reaps everything may have taken the status; the process is gone either way.
            let end = child.wait().map_or(
                Exit {
                    code: None,
                    signal: None,
                },
                Exit::from,
            );
            exit.send_replace(Some(end));
        }
        Err(error) => {
            let _caller_gone = started.send(Err(error));
        }
    }
}

fn open_pidfd(child: &Child) -> io::Result<OwnedFd> {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the system gave no usable process id"))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
