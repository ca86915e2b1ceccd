//! The running server: wait for it, stop it, know that it ended.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::watch;
use tokio::time::timeout;

use super::spawn::{Launch, Spawned, spawn};
use super::{Exit, ProcessError, tail};
use crate::connect::Connector;
use crate::session::Session;

/// How often a starting server is asked whether it is ready. Its exit is noticed at once, without asking.
const READY_POLL: Duration = Duration::from_millis(15);

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
    /// # Errors
    /// The program is missing, or the system refuses.
    pub fn start(launch: &Launch) -> Result<Self, ProcessError> {
        if !launch.layout.socket_fits() {
            return Err(ProcessError::SocketPath {
                path: launch.layout.socket().to_owned(),
            });
        }
        let Spawned { pid, pidfd, exit } = spawn(launch)?;
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
