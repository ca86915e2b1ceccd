//! The server as a child process: its exit is known the moment it happens, it dies with the agent, and it is fenced by
//! SIGKILL through a pidfd, which can never hit a process that took over the number.

mod tail;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::binaries::Binaries;
use crate::connect::Connector;
use crate::error::SqlError;
use crate::layout::Layout;
use crate::session::Session;

/// How often a starting server is asked whether it is ready. Its exit is noticed at once, without asking.
const READY_POLL: Duration = Duration::from_millis(15);

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

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The exit code, if it left by itself.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.code) {
            (Some(signal), _) => write!(f, "killed by signal {signal}"),
            (None, Some(code)) => write!(f, "left with code {code}"),
            (None, None) => f.write_str("gone; somebody else reaped it"),
        }
    }
}

/// The server could not be started, reached or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The socket's path is longer than the kernel accepts.
    #[error("the socket path {} is too long (107 bytes at most); use a shorter directory", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
    },
    /// The program could not be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot signal mariadbd")]
    Signal(#[source] io::Error),
    /// It ended before it was ready.
    #[error("mariadbd did not come up: {exit}; its error log {} ends with: {tail}", log.display())]
    DiedAtStart {
        /// How.
        exit: Exit,
        /// Its error log.
        log: PathBuf,
        /// The log's last errors.
        tail: String,
    },
    /// It is still starting.
    #[error("mariadbd was not ready within {after:?} (crash recovery may take longer); see {}", log.display())]
    NotReady {
        /// The limit given by the caller.
        after: Duration,
        /// Its error log.
        log: PathBuf,
        /// What the last attempt to connect met.
        #[source]
        source: Option<Box<SqlError>>,
    },
    /// It runs on although it was killed: stuck in the kernel, probably on a dead disk.
    #[error("mariadbd survived SIGKILL for {after:?}; it hangs in the kernel, look at the disk")]
    Unkillable {
        /// The limit given by the caller.
        after: Duration,
    },
}

impl ProcessError {
    /// Whether the server refuses to start because it cannot truncate an unacknowledged transaction that is followed by
    /// one on a non-transactional table. Only a rebuild helps.
    #[must_use]
    pub fn cannot_truncate(&self) -> bool {
        matches!(self, Self::DiedAtStart { tail, .. } if tail.contains("Cannot truncate") || tail.contains("cannot be truncated"))
    }
}

/// A running (or just ended) server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    pid: u32,
    pidfd: OwnedFd,
    exit: watch::Receiver<Option<Exit>>,
    dies_with_us: bool,
    error_log: PathBuf,
}

impl Server {
    /// Starts the server. Returns at once; see [`Server::ready`].
    ///
    /// A thread is dedicated to it: the kernel's parent-death signal fires when the *thread* that started the child
    /// ends, so it must be one that lives as long as the child, and the same thread waits for the exit.
    ///
    /// # Errors
    /// The program is missing, or the system refuses.
    pub fn start(launch: &Launch) -> Result<Self, ProcessError> {
        if !launch.layout.socket_fits() {
            return Err(ProcessError::SocketPath {
                path: launch.layout.socket().to_owned(),
            });
        }
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
        tracing::info!(pid, "started mariadbd");
        let dies_with_us = launch.binaries.setpriv.is_some();
        Ok(Self {
            pid,
            pidfd,
            exit,
            dies_with_us,
            error_log: launch.layout.error_log(),
        })
    }

    /// Its process id.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the kernel kills the server when this process dies. False where `setpriv` is missing; a container's
    /// init process takes its children with it all the same.
    #[must_use]
    pub const fn dies_with_us(&self) -> bool {
        self.dies_with_us
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// A receiver that turns `Some` when the process ends, for a `select!`.
    #[must_use]
    pub fn exit_watch(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    /// Waits for the end. Cancel-safe.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| *end).unwrap_or(Exit {
            code: None,
            signal: None,
        })
    }

    /// The fence: SIGKILL. An unacknowledged transaction stays unacknowledged and can be truncated at the next boot; any
    /// softer way would make it real. Harmless if the server is gone already.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&self) -> Result<(), ProcessError> {
        self.signal(Signal::KILL)
    }

    /// SIGTERM: a clean shutdown. Commits that wait for an acknowledgement become real and errant, so this is only for a
    /// server without waiters.
    ///
    /// # Errors
    /// The system refuses.
    pub fn terminate(&self) -> Result<(), ProcessError> {
        self.signal(Signal::TERM)
    }

    /// Kills and waits until the process is gone for certain.
    ///
    /// # Errors
    /// [`ProcessError::Unkillable`] if it hangs in the kernel: then its death is *not* proven.
    pub async fn kill_and_wait(&self, limit: Duration) -> Result<Exit, ProcessError> {
        self.kill()?;
        timeout(limit, self.exited())
            .await
            .map_err(|_| ProcessError::Unkillable { after: limit })
    }

    /// Waits until the server accepts the agent's account, and returns that first session.
    ///
    /// # Errors
    /// It ended, or it is not ready within the limit (it is left running).
    pub async fn ready(&self, connector: &Connector, limit: Duration) -> Result<Session, ProcessError> {
        let mut last = None;
        let attempts = async {
            loop {
                match connector.connect(limit).await {
                    Ok(session) => return session,
                    Err(error) => last = Some(Box::new(error)),
                }
                tokio::time::sleep(READY_POLL).await;
            }
        };
        tokio::select! {
            exit = self.exited() => {
                Err(ProcessError::DiedAtStart { exit, log: self.error_log.clone(), tail: tail::last_errors(&self.error_log) })
            }
            ready = timeout(limit, attempts) => {
                ready.map_err(|_| ProcessError::NotReady { after: limit, log: self.error_log.clone(), source: last })
            }
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(ProcessError::Signal(error.into())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exit().is_none() {
            let _gone_already = self.kill();
        }
    }
}

/// `setpriv` asks the kernel for the parent-death signal and then *becomes* mariadbd. It also switches the user, since a
/// later switch inside mariadbd would clear that request.
fn command(launch: &Launch) -> io::Result<Command> {
    let stderr = OpenOptions::new()
        .create(true)
        .append(true)
        .open(launch.layout.error_log())?;
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
    command.arg(format!("--defaults-file={}", launch.layout.config_file().display()));
    match &launch.run_as {
        Some(user) => command.arg(format!("--user={user}")),
        None if rustix::process::geteuid().is_root() => command.arg("--user=root"),
        None => &mut command,
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .current_dir(launch.layout.home());
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
