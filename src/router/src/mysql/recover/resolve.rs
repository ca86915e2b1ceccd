//! Answers questions from the present primary's binlog: one scan at a time, shared by all sessions that wait.

use std::future::Future;
use std::io;
use std::time::Duration;

use quorate_model::Epoch;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::{Pending, round};
use super::verdict::{Question, Verdict};

/// Questions of one scan; more wait at their senders.
const QUESTIONS_MAX: usize = 1024;
/// Between two looks at a binlog that has no verdict yet.
const PAUSE: Duration = Duration::from_millis(20);
/// The first pause after a primary that could not be asked, doubled up to [`PAUSE`]: a door opens a few milliseconds after
/// the table says so, and everybody whose write was lost waits for this.
const RETRY: Duration = Duration::from_millis(2);

/// Where the binlog is.
pub(crate) trait Primary: Send + Sync + 'static {
    /// A connection after its login, which has agreed on `DEPRECATE_EOF` and on no multi-statements.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    /// Waits until a primary is open; its epoch.
    fn open(&self) -> impl Future<Output = Epoch> + Send;

    /// A fresh connection of the service account to the open primary of the present epoch.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The highest sequence number that a replica is known to have applied: what is at or below it is durable.
    fn replicated(&self) -> u64;
}

/// How far a resolution goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a question may wait for its verdict.
    pub(crate) patience: Duration,
    /// Most bytes of binlog that are read for one batch of questions.
    pub(crate) scan_bytes_max: u64,
}

/// Asks; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    questions: mpsc::Sender<Asked>,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    answer: oneshot::Sender<Verdict>,
}

impl Resolver {
    /// Starts the task that reads binlogs.
    pub(crate) fn start<P: Primary>(primary: P, limits: Limits, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        tasks.spawn(stop.run_until_cancelled_owned(serve(primary, limits, asked)));
        Self { questions }
    }

    /// The verdict. Dropping this withdraws the question.
    pub(crate) async fn ask(&self, question: Question) -> Verdict {
        let (answer, heard) = oneshot::channel();
        let gone = || Verdict::Unprovable {
            why: "the router is shutting down".to_owned(),
        };
        if self.questions.send(Asked { question, answer }).await.is_err() {
            return gone();
        }
        heard.await.unwrap_or_else(|_| gone())
    }
}

/// Rounds until nobody waits; then sleeps until somebody does.
async fn serve<P: Primary>(primary: P, limits: Limits, mut asked: mpsc::Receiver<Asked>) {
    let mut pending: Vec<Pending> = Vec::new();
    let pend = |Asked { question, answer }| Pending {
        question,
        answer,
        until: Instant::now() + limits.patience,
        why: "no primary was open, or there was no time to read its binlog".to_owned(),
    };
    let (mut pause, mut before) = (RETRY, None);
    loop {
        if pending.is_empty() {
            let Some(first) = asked.recv().await else {
                return;
            };
            pending.push(pend(first));
        }
        let first_end = pending.iter().map(|pending| pending.until).min();
        let epoch = tokio::select! {
            biased;
            epoch = primary.open() => Some(epoch),
            Some(next) = asked.recv(), if pending.len() < QUESTIONS_MAX => {
                pending.push(pend(next));
                continue;
            }
            () = sleep_until(first_end.unwrap_or_else(Instant::now)) => None,
        };
        while pending.len() < QUESTIONS_MAX
            && let Ok(next) = asked.try_recv()
        {
            pending.push(pend(next));
        }
        pending.retain(|pending| !pending.answer.is_closed());
        if epoch != before {
            (pause, before) = (RETRY, epoch);
        }
        let mut rest = PAUSE;
        if let Some(epoch) = epoch {
            // A connection that hangs takes a part of the time, so that another one can be tried.
            let asked = timeout(limits.patience / 3, round(&primary, epoch, limits, &mut pending)).await;
            if let Err(why) = asked.unwrap_or_else(|_| Err("reading the binlog took too long".to_owned())) {
                (rest, pause) = (pause, (pause * 2).min(PAUSE));
                for pending in &mut pending {
                    pending.why.clone_from(&why);
                }
            }
        }
        let now = Instant::now();
        for late in pending.extract_if(.., |pending| pending.until <= now) {
            let why = late.why;
            let _withdrawn = late.answer.send(Verdict::Unprovable { why });
        }
        if pending.is_empty() {
            pause = RETRY;
        } else if epoch.is_some() {
            sleep(rest).await;
        }
    }
}
