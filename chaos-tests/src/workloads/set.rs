//! The set workload: writers insert unique rows through the router and record what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use quorate_api::clock::Clock;
use quorate_model::Moment;
use tokio::task::JoinSet;

use crate::lab::Info;

/// How long one statement may take before its client gives up; its outcome is then unknown.
const STATEMENT_LIMIT: Duration = Duration::from_secs(20);
/// Pause before a client dials again.
const REDIAL: Duration = Duration::from_millis(2);

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged: it must never be lost.
    Acknowledged,
    /// The connection broke or an error came after the statement was sent: it may or may not be there.
    Unknown,
}

/// One write.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// Unique id.
    pub id: u64,
    /// When it was sent.
    pub sent: Moment,
    /// When the answer came.
    pub answered: Moment,
    /// What the answer was.
    pub outcome: Outcome,
}

/// All writes of a run.
#[derive(Debug, Default)]
pub struct History {
    /// In the order in which each writer made them, writer after writer.
    pub writes: Vec<Write>,
    /// Connections that had to be dialled again.
    pub redials: u64,
}

impl History {
    /// Ids that clients were told are stored.
    pub fn acknowledged(&self) -> impl Iterator<Item = u64> + '_ {
        self.writes
            .iter()
            .filter(|write| write.outcome == Outcome::Acknowledged)
            .map(|write| write.id)
    }

    /// Adds another run's writes.
    pub fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
        self.redials = self.redials.saturating_add(other.redials);
    }
}

/// Writers at work.
#[derive(Debug)]
pub struct SetWorkload {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    redials: Arc<AtomicU64>,
    writers: JoinSet<Vec<Write>>,
}

impl SetWorkload {
    /// Connection options of the application's account at `address`.
    ///
    /// # Errors
    /// If the address is not `host:port` or the lab has no such account.
    pub fn options(info: &Info, address: &str) -> Result<Opts> {
        let account = info.accounts.get("app").context("no account `app` in lab.json")?;
        let (host, port) = address.rsplit_once(':').context("address without port")?;
        Ok(OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(port.parse()?)
            .user(Some(&account.user))
            .pass(Some(&account.password))
            .prefer_socket(false)
            .into())
    }

    /// Makes the table.
    ///
    /// # Errors
    /// If the router or the server refuses.
    pub async fn prepare(options: &Opts) -> Result<()> {
        let mut conn = Conn::new(options.clone()).await?;
        conn.query_drop("CREATE DATABASE IF NOT EXISTS app").await?;
        conn.query_drop(
            "CREATE TABLE IF NOT EXISTS app.set_writes \
             (id BIGINT UNSIGNED PRIMARY KEY, server INT UNSIGNED NOT NULL) ENGINE=InnoDB",
        )
        .await?;
        conn.disconnect().await?;
        Ok(())
    }

    /// Starts `writers` writers. Ids are `run << 40 | writer << 32 | n`, so that no two runs share one.
    #[must_use]
    pub fn start(options: &Opts, writers: u64, run: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let redials = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let first = (run << 40) | (writer << 32);
            let work = Writer {
                options: options.clone(),
                stop: stop.clone(),
                acknowledged: acknowledged.clone(),
                redials: redials.clone(),
            };
            tasks.spawn(work.run(first));
        }
        Self {
            stop,
            acknowledged,
            redials,
            writers: tasks,
        }
    }

    /// Writes acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `more` further writes were acknowledged.
    ///
    /// # Errors
    /// If they were not within `limit`.
    pub async fn wait_for(&self, more: u64, limit: Duration) -> Result<()> {
        let goal = self.acknowledged().saturating_add(more);
        tokio::time::timeout(limit, async {
            while self.acknowledged() < goal {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
        .with_context(|| format!("writes stand still at {} acknowledged", self.acknowledged()))
    }

    /// Stops the writers and returns what they were told.
    ///
    /// # Errors
    /// If a writer panicked.
    pub async fn finish(mut self) -> Result<History> {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        while let Some(writes) = self.writers.join_next().await {
            history.writes.extend(writes?);
        }
        history.redials = self.redials.load(Ordering::Relaxed);
        Ok(history)
    }
}

struct Writer {
    options: Opts,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    redials: Arc<AtomicU64>,
}

impl Writer {
    async fn run(self, first: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        let mut conn = None;
        let mut id = first;
        while !self.stop.load(Ordering::Relaxed) {
            let Some(open) = conn.as_mut() else {
                conn = self.dial().await;
                continue;
            };
            let sent = Clock.now();
            let outcome = insert(open, id).await;
            writes.push(Write {
                id,
                sent,
                answered: Clock.now(),
                outcome,
            });
            id = id.saturating_add(1);
            match outcome {
                Outcome::Acknowledged => {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                // A connection whose outcome is unknown is never used again.
                Outcome::Unknown => conn = None,
            }
        }
        writes
    }

    async fn dial(&self) -> Option<Conn> {
        self.redials.fetch_add(1, Ordering::Relaxed);
        let dialled = tokio::time::timeout(STATEMENT_LIMIT, Conn::new(self.options.clone())).await;
        if let Ok(Ok(conn)) = dialled {
            return Some(conn);
        }
        tokio::time::sleep(REDIAL).await;
        None
    }
}

async fn insert(conn: &mut Conn, id: u64) -> Outcome {
    let statement = format!("INSERT INTO app.set_writes VALUES ({id}, @@server_id)");
    match tokio::time::timeout(STATEMENT_LIMIT, conn.query_drop(statement)).await {
        Ok(Ok(())) => Outcome::Acknowledged,
        Ok(Err(_)) | Err(_) => Outcome::Unknown,
    }
}
