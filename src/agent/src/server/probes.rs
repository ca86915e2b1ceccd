//! Writes the probes that the machine asks for, each kind on its own.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_mariadb::probe::{Beat, Target, WriteProbe};
use tokio::sync::mpsc;

use super::Site;
use crate::machine::{Event, Probe};

/// How long one look at a hanging write takes; the write itself goes on.
const LOOK: Duration = Duration::from_secs(1);

/// Serves both probes until the boot ends.
pub(super) async fn work(site: Arc<Site>, mut asked: mpsc::Receiver<Probe>) {
    let (disk, disk_jobs) = mpsc::channel(1);
    let (commit, commit_jobs) = mpsc::channel(1);
    let deal = async {
        while let Some(probe) = asked.recv().await {
            let to = match probe {
                Probe::Disk => &disk,
                Probe::Commit { .. } => &commit,
                Probe::Nudge { .. } => {
                    site.tasks.spawn(nudge(site.clone(), probe));
                    continue;
                }
            };
            // Full: the one before still hangs, and its outcome is the answer to this one too.
            let _hanging = to.try_send(probe);
        }
    };
    tokio::join!(deal, write(&site, disk_jobs), write(&site, commit_jobs));
}

async fn write(site: &Arc<Site>, mut jobs: mpsc::Receiver<Probe>) {
    let mut writer: Option<(Probe, WriteProbe)> = None;
    while let Some(probe) = jobs.recv().await {
        let mut current = match writer.take() {
            Some((of, writer)) if of == probe => writer,
            Some(_) | None => WriteProbe::new(site.connector.clone(), target(probe)),
        };
        let ok = finish(&mut current, probe).await;
        writer = Some((probe, current));
        if site.events.send(Event::ProbeDone { probe, ok }).await.is_err() {
            return;
        }
    }
}

/// Hangs as long as it takes; the death of the server ends it.
async fn nudge(site: Arc<Site>, probe: Probe) {
    let ok = finish(&mut WriteProbe::new(site.connector.clone(), target(probe)), probe).await;
    let _stopping = site.events.send(Event::ProbeDone { probe, ok }).await;
}

async fn finish(writer: &mut WriteProbe, probe: Probe) -> bool {
    loop {
        match writer.beat(Clock.unix().0, LOOK).await {
            Beat::Written => return true,
            Beat::Hanging => {}
            Beat::Failed(error) => {
                tracing::debug!(%error, ?probe, "the probe failed");
                return false;
            }
        }
    }
}

const fn target(probe: Probe) -> Target {
    match probe {
        Probe::Disk => Target::Disk,
        Probe::Commit { epoch } => Target::CommitPath { epoch: epoch.0 },
        Probe::Nudge { epoch, number } => Target::Nudge {
            epoch: epoch.0,
            row: number,
        },
    }
}
