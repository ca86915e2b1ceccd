//! The writer thread: the only one that touches the file after it was opened.

use std::io;
use std::sync::Arc;
use std::thread;

use openraft::storage::IOFlushed;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::LogError;
use super::file::{COMMITTED, Edit, LogFile};
use crate::causes::chain;
use crate::types::TypeConfig;

/// Requests that may wait; beyond it the caller waits.
const QUEUE_MAX: usize = 1024;
/// Requests that share one commit.
const BATCH_MAX: usize = 256;

/// One request, in the order in which openraft made it.
pub(super) struct Request {
    pub(super) edits: Vec<Edit>,
    pub(super) done: Done,
}

/// Whom to answer once the edits are durable.
pub(super) enum Done {
    /// An append.
    Append(IOFlushed<TypeConfig>),
    /// A vote, truncation or purge.
    Wait(oneshot::Sender<io::Result<()>>),
    /// Nobody: the edits may wait for the next commit. A crash before it only costs a longer replay.
    Lazy,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("edits", &self.edits.len())
            .finish_non_exhaustive()
    }
}

/// Starts the thread. It ends when every sender is gone, and cancels `closed` once the file is closed.
pub(super) fn start(file: LogFile, closed: CancellationToken) -> Result<mpsc::Sender<Request>, LogError> {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    thread::Builder::new()
        .name("raft-log".to_owned())
        .spawn(move || {
            let guard = closed.drop_guard();
            run(&file, receiver);
            drop(file);
            drop(guard);
        })
        .map_err(LogError::Thread)?;
    Ok(sender)
}

fn run(file: &LogFile, mut queue: mpsc::Receiver<Request>) {
    let mut lazy: Option<Edit> = None;
    let mut failure: Option<Arc<LogError>> = None;
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let mut edits = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        for request in batch {
            if matches!(request.done, Done::Lazy) {
                lazy = request.edits.into_iter().next_back().or(lazy);
            } else {
                edits.extend(request.edits);
                answers.push(request.done);
            }
        }
        if answers.is_empty() {
            continue;
        }
        edits.extend(lazy.take());
        if failure.is_none()
            && let Err(error) = file.commit(&edits)
        {
            tracing::error!(path = %file.path().display(), error = %chain(&error), "the Raft log cannot be written");
            failure = Some(Arc::new(error));
        }
        for done in answers {
            done.answer(failure.as_ref());
        }
    }
    if let (None, Some(edit)) = (&failure, lazy)
        && let Err(error) = file.commit(&[edit])
    {
        tracing::warn!(error = %chain(&error), position = %COMMITTED, "not saved at the end; the next start replays more");
    }
}

impl Done {
    fn answer(self, failure: Option<&Arc<LogError>>) {
        let result = match failure {
            None => Ok(()),
            Some(error) => Err(io::Error::other(Arc::clone(error))),
        };
        match self {
            Self::Append(callback) => callback.io_completed(result),
            // A caller that is gone needs no answer.
            Self::Wait(sender) => drop(sender.send(result)),
            Self::Lazy => {}
        }
    }
}
