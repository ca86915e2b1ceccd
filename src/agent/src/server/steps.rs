//! The steps, one at a time, on a session that is kept.

use std::sync::Arc;
use std::time::Duration;

use quorate_mariadb::act::{
    self, ActError, Backlog, EpochRow, Events, Frozen, arm, attach, drain, forget_source, open_writes, resume, salvage,
    stop_receiving, write_epoch_row,
};
use quorate_mariadb::{Session, SqlError, observe};
use quorate_model::{GtidSet, ServerFacts};
use tokio::sync::mpsc;

use super::{Job, Site};
use crate::machine::{Event, Step, StepResult};
use crate::memory::chain;

/// A statement that normally takes milliseconds; a server that needs longer is looked at again from the beginning.
const LIMIT: Duration = Duration::from_secs(5);
/// Longer than the machine waits before it kills a server that does not stop receiving.
const STOP_MAX: Duration = Duration::from_secs(4);
/// Applying a backlog may take as long as it takes; after this the machine decides again.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// The epoch row waits for its acknowledgement until the server is killed.
const ROW_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Works off the jobs until the boot ends.
pub(super) async fn work(site: Arc<Site>, session: Session, mut jobs: mpsc::Receiver<Job>) {
    let mut worker = Worker {
        site,
        session: Some(session),
        frozen: None,
    };
    while let Some(Job { id, step, cancel }) = jobs.recv().await {
        let name = format!("{step:?}");
        let opened = matches!(step, Step::Unlock);
        let began = tokio::time::Instant::now();
        let result = tokio::select! {
            result = worker.run(step) => result.unwrap_or_else(|error| StepResult::Failed(chain(&error))),
            () = cancel.cancelled() => StepResult::Failed("given up".to_owned()),
        };
        let took_ms = began.elapsed().as_secs_f64() * 1e3;
        match &result {
            StepResult::Failed(why) => tracing::warn!(step = name, took_ms, why, "step failed"),
            StepResult::Done(_) | StepResult::Written(_) | StepResult::Frozen(_) => {
                tracing::info!(step = name, took_ms, "step done");
            }
        }
        if worker.site.events.send(Event::StepDone { id, result }).await.is_err() {
            return;
        }
        if opened && let Err(error) = worker.tidy().await {
            tracing::warn!(error = %chain(&error), "the new primary still knows its former source");
        }
    }
}

struct Worker {
    site: Arc<Site>,
    session: Option<Session>,
    /// Held commits; dropping it lets them go.
    frozen: Option<Frozen>,
}

impl Worker {
    async fn run(&mut self, step: Step) -> Result<StepResult, ActError> {
        match step {
            Step::Salvage => {
                salvage(self.session().await?, DRAIN_MAX * 60).await?;
            }
            Step::StopReceiving => {
                stop_receiving(self.session().await?, STOP_MAX).await?;
            }
            Step::Drain { received } => {
                drain(self.session().await?, &received, DRAIN_MAX).await?;
            }
            Step::Attach { .. } => {
                let source = self.site.source.clone();
                let session = self.session().await?;
                if !resume(session, &source, LIMIT).await? {
                    attach(session, &source, &Backlog::Refuse, LIMIT).await?;
                }
            }
            Step::Arm => {
                let facts = arm(self.session().await?, LIMIT).await?;
                return Ok(StepResult::Done(facts.report(None)));
            }
            Step::WriteEpoch { epoch, operation } => {
                let previous = self.position().await?;
                let node = self.site.node.clone();
                let row = EpochRow {
                    epoch,
                    operation,
                    node,
                    previous,
                };
                let gtid = write_epoch_row(self.session().await?, &row, ROW_MAX).await?;
                return Ok(StepResult::Written(gtid));
            }
            Step::Unlock => open_writes(self.session().await?, Events::On, LIMIT).await?,
            Step::Freeze { limit } => {
                let frozen = act::freeze(&self.site.connector, limit).await?;
                let position = frozen.position().clone();
                self.frozen = Some(frozen);
                return Ok(StepResult::Frozen(position));
            }
            Step::Thaw => {
                if let Some(frozen) = self.frozen.take() {
                    frozen.thaw(LIMIT).await?;
                }
            }
        }
        Ok(StepResult::Done(self.facts().await?))
    }

    /// What a promotion leaves to do once clients are served.
    async fn tidy(&mut self) -> Result<(), ActError> {
        forget_source(self.session().await?, LIMIT).await
    }

    async fn session(&mut self) -> Result<&mut Session, SqlError> {
        if self.session.as_ref().is_none_or(Session::is_broken) {
            self.session = None;
        }
        match self.session {
            Some(ref mut session) => Ok(session),
            None => {
                let session = self.site.connector.connect(LIMIT).await?;
                Ok(self.session.insert(session))
            }
        }
    }

    async fn facts(&mut self) -> Result<ServerFacts, SqlError> {
        let lag = self.site.mood.lag();
        Ok(observe(self.session().await?, LIMIT).await?.report(lag))
    }

    async fn position(&mut self) -> Result<GtidSet, SqlError> {
        Ok(observe(self.session().await?, LIMIT).await?.binlog_pos)
    }
}
