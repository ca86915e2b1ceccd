//! One process of the lab: started, watched, restarted.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lab::dir::LabDir;
use crate::lab::logs::LogFile;
use crate::lab::process;
use crate::lab::spec::{Kind, RestartDelay};

/// A process that lived shorter than this is restarted with a growing delay.
const SETTLED: Duration = Duration::from_secs(5);
/// The delay never grows beyond this.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// How long a process may take to end by itself when the lab goes down.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long it may take when it is restarted on request: an agent hands its role over first.
const RESTART_GRACE: Duration = Duration::from_secs(10);

/// A process started (`pid`) or ended (none).
#[derive(Debug)]
pub(super) struct SlotEvent {
    /// Which.
    pub(super) id: String,
    /// Its pid, if it runs now.
    pub(super) pid: Option<u32>,
}

/// A way to ask a slot for a restart; the answer is the new pid.
#[derive(Debug, Clone)]
pub(super) struct SlotHandle {
    /// Which.
    pub(super) id: String,
    restart: mpsc::Sender<oneshot::Sender<u32>>,
}

impl SlotHandle {
    /// Stops the process and starts it at once.
    pub(super) async fn restart(&self) -> Option<u32> {
        let (answer, pid) = oneshot::channel();
        self.restart.send(answer).await.ok()?;
        pid.await.ok()
    }
}

/// One process to be kept running.
#[derive(Debug)]
pub(super) struct Slot {
    id: String,
    kind: Kind,
    dir: LabDir,
    delay: RestartDelay,
}

/// Why waiting for a process ended.
enum Ended {
    Exited(io::Result<ExitStatus>),
    RestartAsked(oneshot::Sender<u32>),
    LabStops,
}

impl Slot {
    pub(super) const fn new(id: String, kind: Kind, dir: LabDir, delay: RestartDelay) -> Self {
        Self { id, kind, dir, delay }
    }

    /// Starts the process and the task that keeps it running.
    pub(super) fn start(
        self,
        tasks: &TaskTracker,
        tell: mpsc::Sender<SlotEvent>,
        stop: CancellationToken,
    ) -> anyhow::Result<SlotHandle> {
        let (restart, requests) = mpsc::channel(1);
        let handle = SlotHandle {
            id: self.id.clone(),
            restart,
        };
        let log = LogFile::open(&self.dir.log(&self.id)).with_context(|| format!("opening the log of {}", self.id))?;
        let (reader, writer) = io::pipe().context("making a pipe for logs")?;
        let reader = pipe::Receiver::from_owned_fd(reader.into()).context("reading logs from a pipe")?;
        // The slot keeps the writing end for the next start, so the collector ends with the lab only.
        tasks.spawn(collect(reader, log, stop.clone()));
        tasks.spawn(self.keep_running(writer, requests, tell, stop));
        Ok(handle)
    }

    async fn keep_running(
        self,
        output: io::PipeWriter,
        mut requests: mpsc::Receiver<oneshot::Sender<u32>>,
        tell: mpsc::Sender<SlotEvent>,
        stop: CancellationToken,
    ) {
        let mut asked: Option<oneshot::Sender<u32>> = None;
        let mut short_lives = 0_u32;
        loop {
            let started = Instant::now();
            match self.spawn(&output) {
                Ok(mut child) => {
                    let pid = child.id();
                    self.tell(&tell, pid).await;
                    if let (Some(answer), Some(pid)) = (asked.take(), pid) {
                        let _ = answer.send(pid);
                    }
                    let ended = wait(&mut child, &mut requests, &stop).await;
                    asked = self.finish(child, ended).await;
                    self.tell(&tell, None).await;
                }
                Err(error) => tracing::error!(id = self.id, %error, "cannot start; will be tried again"),
            }
            if stop.is_cancelled() {
                return;
            }
            short_lives = if started.elapsed() < SETTLED {
                short_lives.saturating_add(1)
            } else {
                0
            };
            if asked.is_none() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    request = requests.recv() => asked = request,
                    () = pause(self.delay, short_lives) => {}
                }
            }
        }
    }

    fn spawn(&self, output: &io::PipeWriter) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("finding this program's own file")?;
        Command::new(program)
            .arg(self.kind.verb())
            .arg("--config")
            .arg(self.dir.conf(&self.id))
            .arg("--exit-with-parent")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.id))
    }

    /// Sees an ended or unwanted process off; returns the pending request for a restart.
    async fn finish(&self, mut child: Child, ended: Ended) -> Option<oneshot::Sender<u32>> {
        let asked = match ended {
            Ended::Exited(status) => {
                match status {
                    Ok(status) => tracing::warn!(id = self.id, %status, "ended"),
                    Err(error) => tracing::warn!(id = self.id, %error, "lost"),
                }
                None
            }
            Ended::RestartAsked(answer) => {
                self.stop(&mut child, RESTART_GRACE).await;
                Some(answer)
            }
            Ended::LabStops => {
                // An agent would hand its role over to nodes that are going down as well: no grace for it.
                let grace = if self.kind == Kind::Agent {
                    Duration::ZERO
                } else {
                    STOP_GRACE
                };
                self.stop(&mut child, grace).await;
                None
            }
        };
        if self.kind == Kind::Agent {
            // The agent's death is its container's death.
            process::kill_server(&self.dir, &self.id);
        }
        asked
    }

    async fn stop(&self, child: &mut Child, grace: Duration) {
        if let Some(pid) = child.id()
            && !grace.is_zero()
        {
            process::signal(pid, &self.dir, Signal::TERM);
            process::signal(pid, &self.dir, Signal::CONT);
            if tokio::time::timeout(grace, child.wait()).await.is_ok() {
                return;
            }
            tracing::warn!(id = self.id, "did not end in time and is killed");
        }
        if let Err(error) = child.kill().await {
            tracing::warn!(id = self.id, %error, "cannot kill");
        }
    }

    async fn tell(&self, tell: &mpsc::Sender<SlotEvent>, pid: Option<u32>) {
        let event = SlotEvent {
            id: self.id.clone(),
            pid,
        };
        let _ = tell.send(event).await;
    }
}

async fn wait(
    child: &mut Child,
    requests: &mut mpsc::Receiver<oneshot::Sender<u32>>,
    stop: &CancellationToken,
) -> Ended {
    tokio::select! {
        () = stop.cancelled() => Ended::LabStops,
        status = child.wait() => Ended::Exited(status),
        Some(answer) = requests.recv() => Ended::RestartAsked(answer),
    }
}

async fn pause(delay: RestartDelay, short_lives: u32) {
    match delay {
        RestartDelay::Never => std::future::pending().await,
        RestartDelay::After(base) => tokio::time::sleep(backoff(base, short_lives)).await,
    }
}

/// The first restart comes after `base`; then it doubles while the process keeps dying young.
fn backoff(base: Duration, short_lives: u32) -> Duration {
    let factor = 1_u32 << short_lives.saturating_sub(1).min(5);
    base.saturating_mul(factor).min(DELAY_MAX.max(base))
}

async fn collect(mut reader: pipe::Receiver, mut log: LogFile, stop: CancellationToken) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            () = stop.cancelled() => return,
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(length) => {
                if let Some(bytes) = buffer.get(..length)
                    && let Err(error) = log.append(bytes)
                {
                    tracing::warn!(%error, "cannot write a log");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_and_is_bounded() {
        let second = Duration::from_secs(1);
        assert_eq!(backoff(second, 0), second);
        assert_eq!(backoff(second, 1), second);
        assert_eq!(backoff(second, 2), second * 2);
        assert_eq!(backoff(second, 60), DELAY_MAX);
        assert_eq!(backoff(DELAY_MAX * 2, 60), DELAY_MAX * 2);
    }
}
