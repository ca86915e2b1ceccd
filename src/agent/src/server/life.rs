//! From the start of a server to its end.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_mariadb::observe;
use quorate_mariadb::parse::groups::binlog_end;
use quorate_mariadb::process::{ProcessError, Server};
use quorate_mariadb::{Facts, Session};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Job, Site, doctor, observe as watching, probes, steps};
use crate::machine::{Event, Probe};
use crate::memory::chain;

/// Crash recovery of a large server takes long; the machine and its operators see that it is starting.
const READY_MAX: Duration = Duration::from_secs(24 * 3600);
/// The first look at a server that has just let us in.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// The error log is begun anew at a start when it is larger; one older one is kept.
const ERROR_LOG_MAX: u64 = 16 * 1024 * 1024;

/// One boot.
pub(super) struct Life {
    pub(super) site: Arc<Site>,
    pub(super) boot: u64,
    pub(super) kill: CancellationToken,
}

impl Life {
    pub(super) async fn run(self, jobs: mpsc::Receiver<Job>, asked: mpsc::Receiver<Probe>) {
        let exit = match self.start().await {
            Ok(server) => self.attend(&server, jobs, asked).await,
            Err(error) => chain(&error),
        };
        let boot = self.boot;
        tracing::warn!(boot, exit, "mariadbd ended");
        self.tell(Event::ServerExited { boot, exit }).await;
        let index = self.site.config.layout.binlog_index();
        let position = tokio::task::spawn_blocking(move || {
            if index.exists() {
                binlog_end(&index).map(Some)
            } else {
                Ok(None)
            }
        })
        .await;
        let position = match position {
            Ok(Ok(position)) => position,
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "the dead server's binlog cannot be read");
                None
            }
            Err(_) => None,
        };
        self.tell(Event::FinalBinlog { boot, position }).await;
    }

    async fn tell(&self, event: Event) {
        let _agent_is_stopping = self.site.events.send(event).await;
    }

    async fn start(&self) -> Result<Server, ProcessError> {
        let site = self.site.clone();
        let started = tokio::task::spawn_blocking(move || {
            bound_error_log(&site).map_err(|source| ProcessError::Spawn {
                program: site.launch.binaries.server.clone(),
                source,
            })?;
            Server::start(&site.launch)
        });
        match started.await {
            Ok(result) => result,
            Err(error) => Err(ProcessError::Signal(io::Error::other(error))),
        }
    }

    /// Until the process is gone; says how it ended.
    async fn attend(&self, server: &Server, jobs: mpsc::Receiver<Job>, asked: mpsc::Receiver<Probe>) -> String {
        let ready = tokio::select! {
            ready = server.ready(&self.site.connector, READY_MAX) => Some(ready),
            () = self.kill.cancelled() => None,
        };
        let tasks = CancellationToken::new();
        let _end_of_boot = tasks.clone().drop_guard();
        match ready {
            Some(Ok(mut session)) => {
                if let Ok(facts) = observe(&mut session, FIRST_LOOK).await {
                    self.welcome(facts, session, jobs, asked, &tasks).await;
                } else {
                    tracing::error!(boot = self.boot, "the server let us in but does not answer; killing it");
                    self.kill.cancel();
                }
            }
            Some(Err(error @ ProcessError::DiedAtStart { .. })) => return chain(&error),
            Some(Err(error)) => {
                tracing::error!(error = %chain(&error), "the server does not come up; killing it");
                self.kill.cancel();
            }
            None => {}
        }
        tokio::select! {
            exit = server.exited() => return exit.to_string(),
            () = self.kill.cancelled() => {}
        }
        if let Err(error) = server.kill() {
            tracing::error!(error = %chain(&error), "cannot kill the server");
        }
        // A process that hangs in the kernel does not end here: then its death is not told either.
        server.exited().await.to_string()
    }

    async fn welcome(
        &self,
        facts: Facts,
        session: Session,
        jobs: mpsc::Receiver<Job>,
        asked: mpsc::Receiver<Probe>,
        tasks: &CancellationToken,
    ) {
        let (site, boot) = (&self.site, self.boot);
        let facts = facts.report(None);
        self.tell(Event::ServerUp { boot, facts }).await;
        let spawn = |work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let stop = tasks.clone();
            site.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = work => {}
                }
            });
        };
        spawn(Box::pin(steps::work(site.clone(), session, jobs)));
        spawn(Box::pin(watching::facts(site.clone(), boot)));
        spawn(Box::pin(watching::lag(site.clone())));
        spawn(Box::pin(probes::work(site.clone(), asked)));
        spawn(Box::pin(doctor::work(site.clone())));
    }
}

fn bound_error_log(site: &Site) -> io::Result<()> {
    site.config.write()?;
    let log = site.config.layout.error_log();
    match fs::metadata(&log) {
        Ok(found) if found.len() > ERROR_LOG_MAX => fs::rename(&log, log.with_extension("log.1")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
