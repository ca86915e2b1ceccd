//! Answers questions from the present primary's binlog: one scan at a time, shared by all sessions that wait.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::verdict::{Question, Verdict};

/// Questions that may wait; more wait at the sender.
const QUESTIONS_MAX: usize = 1024;

/// Where the binlog is.
pub(crate) trait Primary: Send + Sync + 'static {
    /// A connection after its login.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    /// A fresh connection of the service account to the open primary of the present epoch.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The highest sequence number that is known to be on the primary *and* a replica: acknowledged to any session, or
    /// applied by any replica.
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

async fn serve<P: Primary>(_primary: P, _limits: Limits, mut asked: mpsc::Receiver<Asked>) {
    while let Some(Asked { question: _, answer }) = asked.recv().await {
        let _withdrawn = answer.send(Verdict::Unprovable {
            why: "binlogs are not read yet".to_owned(),
        });
    }
}
