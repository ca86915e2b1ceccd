//! Writers that insert numbered rows through the router and note the outcome of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Opts};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Pause after an acknowledged write: enough load to measure a gap of milliseconds, not enough to be a benchmark.
const PAUSE: Duration = Duration::from_millis(1);
/// Pause before connecting again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(5);
/// A write or a connection without an answer for this long counts as failed; the router holds for less.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// What became of one writer's rows.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// Acknowledged: id and time.
    pub(super) acknowledged: Vec<(u64, Instant)>,
    /// The connection broke before an answer: may or may not be there. Never repeated.
    pub(super) unknown: Vec<u64>,
    /// Refused by the server: not there.
    pub(super) refused: Vec<u64>,
    /// Connections opened after the first.
    pub(super) reconnects: u64,
}

/// Running writers.
#[derive(Debug)]
pub(super) struct Writers {
    tasks: JoinSet<Outcomes>,
    stop: CancellationToken,
    progress: Arc<Progress>,
    latest: watch::Receiver<Option<Instant>>,
}

#[derive(Debug)]
struct Progress {
    next: AtomicU64,
    acknowledged: AtomicU64,
    latest: watch::Sender<Option<Instant>>,
}

impl Writers {
    /// Starts `count` writers.
    pub(super) fn start(opts: &Opts, count: u32) -> Self {
        let (tell, latest) = watch::channel(None);
        let progress = Arc::new(Progress {
            next: AtomicU64::new(1),
            acknowledged: AtomicU64::new(0),
            latest: tell,
        });
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for writer in 0..count {
            tasks.spawn(write(writer, opts.clone(), Arc::clone(&progress), stop.clone()));
        }
        Self {
            tasks,
            stop,
            progress,
            latest,
        }
    }

    /// Writes acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for an acknowledgement of a write that was *sent* after `moment`, up to `limit`.
    pub(super) async fn flowing_after(&self, moment: Instant, limit: Duration) -> bool {
        let mut latest = self.latest.clone();
        let flowing = latest.wait_for(|sent| sent.is_some_and(|sent| sent > moment));
        matches!(timeout(limit, flowing).await, Ok(Ok(_)))
    }

    /// Lets every writer finish its write and collects the outcomes.
    pub(super) async fn stop(mut self) -> Vec<Outcomes> {
        self.stop.cancel();
        let mut all = Vec::new();
        while let Some(outcome) = self.tasks.join_next().await {
            all.extend(outcome.ok());
        }
        all
    }
}

async fn write(writer: u32, opts: Opts, progress: Arc<Progress>, stop: CancellationToken) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut connected_before = false;
    while !stop.is_cancelled() {
        let Ok(Ok(mut conn)) = timeout(ANSWER_MAX, Conn::new(opts.clone())).await else {
            sleep(RECONNECT_PAUSE).await;
            continue;
        };
        outcomes.reconnects += u64::from(connected_before);
        connected_before = true;
        while !stop.is_cancelled() && insert(&mut conn, writer, &progress, &mut outcomes).await {
            sleep(PAUSE).await;
        }
        if stop.is_cancelled() {
            let _ = timeout(PAUSE * 100, conn.disconnect()).await;
        }
    }
    outcomes
}

/// Inserts one row; says whether the connection is still good.
async fn insert(conn: &mut Conn, writer: u32, progress: &Progress, outcomes: &mut Outcomes) -> bool {
    let id = progress.next.fetch_add(1, Ordering::Relaxed);
    let sent = Instant::now();
    let statement = format!("INSERT INTO app.demo (id, writer) VALUES ({id}, {writer})");
    match timeout(ANSWER_MAX, conn.query_drop(statement)).await {
        Ok(Ok(())) => {
            outcomes.acknowledged.push((id, Instant::now()));
            progress.acknowledged.fetch_add(1, Ordering::Relaxed);
            progress.latest.send_replace(Some(sent));
            true
        }
        Ok(Err(Error::Server(_))) => {
            outcomes.refused.push(id);
            false
        }
        Ok(Err(_)) | Err(_) => {
            outcomes.unknown.push(id);
            false
        }
    }
}
