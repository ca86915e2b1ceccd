//! The log as openraft uses it.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use redb::StorageBackend;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::{LogError, Position};
use super::file::{COMMITTED, Edit, LogFile, PURGED, VOTE};
use super::mirror::Mirror;
use super::record;
use super::writer::{self, Done, Request};
use crate::config::APPEND_BYTES_MAX;
use crate::types::{Entry, LogId, RaftId, TypeConfig, Vote};

/// The Raft log: votes, entries, the purge point. Every vote, append, truncation and purge is on disk before it is
/// answered, in the order in which it was asked for.
#[derive(Debug)]
pub struct LogStore {
    mirror: Arc<Mutex<Mirror>>,
    writer: mpsc::Sender<Request>,
    closed: CancellationToken,
}

/// Reads the log from memory.
#[derive(Debug, Clone)]
pub struct LogReader {
    mirror: Arc<Mutex<Mirror>>,
}

impl LogStore {
    /// Opens the file, or creates it for `owner`, and verifies every record.
    ///
    /// # Errors
    /// The file is damaged, belongs to another id or is held by another process; the error says where and what to do.
    pub fn open(path: &Path, owner: RaftId) -> Result<Self, LogError> {
        Self::start(LogFile::open(path)?, owner)
    }

    /// As [`LogStore::open`], over another file layer; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`LogStore::open`].
    pub fn open_backend(backend: impl StorageBackend, name: &Path, owner: RaftId) -> Result<Self, LogError> {
        Self::start(LogFile::open_backend(backend, name)?, owner)
    }

    fn start(file: LogFile, owner: RaftId) -> Result<Self, LogError> {
        let mirror = file.load(owner)?;
        let closed = CancellationToken::new();
        Ok(Self {
            mirror: Arc::new(Mutex::new(mirror)),
            writer: writer::start(file, closed.clone())?,
            closed,
        })
    }

    /// Cancelled once the file is closed, after the store was dropped.
    #[must_use]
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Whether nothing was ever stored here: no vote, no entry.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        let mirror = lock(&self.mirror);
        mirror.vote.is_none() && mirror.last().is_none()
    }

    /// Index of the last purged entry.
    #[must_use]
    pub fn purged(&self) -> Option<u64> {
        lock(&self.mirror).purged.map(|id| id.index)
    }

    async fn send(&self, edits: Vec<Edit>, done: Done) -> io::Result<()> {
        let request = Request { edits, done };
        self.writer.send(request).await.map_err(|_| writer_gone())
    }

    async fn durably(&self, edits: Vec<Edit>) -> io::Result<()> {
        let (sender, answer) = oneshot::channel();
        self.send(edits, Done::Wait(sender)).await?;
        answer.await.map_err(|_| writer_gone())?
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(lock(&self.mirror).read(range, usize::MAX))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(lock(&self.mirror).vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        Ok(lock(&self.mirror).read(start..end, APPEND_BYTES_MAX))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let mirror = lock(&self.mirror);
        Ok(LogState {
            last_purged_log_id: mirror.purged,
            last_log_id: mirror.last(),
        })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader {
            mirror: Arc::clone(&self.mirror),
        }
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let record = record::encode(VOTE, vote)?;
        // Readers learn of it at once, so that a deposed leader's replication stops; only the answer waits for the disk.
        lock(&self.mirror).vote = Some(*vote);
        self.durably(vec![Edit::Put(VOTE, record)]).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let record = record::encode(COMMITTED, &committed)?;
        lock(&self.mirror).committed = committed;
        self.send(vec![Edit::Put(COMMITTED, record)], Done::Lazy).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(lock(&self.mirror).committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut edits = Vec::new();
        let mut accepted = Vec::new();
        for entry in entries {
            let position = Position::Entry(entry.log_id.index);
            let record = record::encode(position, &entry)?;
            accepted.push((entry, record.len()));
            edits.push(Edit::Put(position, record));
        }
        {
            let mut mirror = lock(&self.mirror);
            for (entry, bytes) in accepted {
                let index = entry.log_id.index;
                let expected = mirror.next_index().unwrap_or(index);
                if index != expected {
                    return Err(io::Error::other(format!(
                        "entry {index} was to be appended where entry {expected} belongs"
                    )));
                }
                mirror.push(entry, bytes);
            }
        }
        self.send(edits, Done::Append(callback)).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |id| id.index + 1);
        lock(&self.mirror).truncate(from);
        self.durably(vec![Edit::RemoveFrom(from)]).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let purged = {
            let mut mirror = lock(&self.mirror);
            mirror.purge(upto);
            mirror.purged
        };
        let record = record::encode(PURGED, &purged)?;
        self.durably(vec![Edit::RemoveTo(upto.index), Edit::Put(PURGED, record)])
            .await
    }
}

fn lock(mirror: &Mutex<Mirror>) -> MutexGuard<'_, Mirror> {
    mirror.lock().unwrap_or_else(PoisonError::into_inner)
}

fn writer_gone() -> io::Error {
    io::Error::other("the log's writer thread has ended")
}
