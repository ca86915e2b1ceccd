//! The redb file: opening with full verification, and one durable commit per batch.
//!
//! Commits are two-phase: with one phase, redb falls back to the commit before the last if the last does not verify,
//! and that would be an acknowledged vote or entry forgotten in silence.

use std::path::{Path, PathBuf};

use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::error::{LogError, Position};
use super::locate;
use super::mirror::Mirror;
use super::record;
use crate::types::{Entry, RaftId};

const ENTRIES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("entries");
const VALUES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("values");

/// The log is mirrored in memory, so redb's own cache only helps writing.
const CACHE_BYTES: usize = 1024 * 1024;

pub(super) const VOTE: Position = Position::Value("vote");
pub(super) const COMMITTED: Position = Position::Value("committed");
pub(super) const PURGED: Position = Position::Value("purged");
const OWNER: Position = Position::Value("owner");

/// One change to the file.
#[derive(Debug)]
pub(super) enum Edit {
    /// Store a record.
    Put(Position, Vec<u8>),
    /// Remove the entries from this index on.
    RemoveFrom(u64),
    /// Remove the entries up to this index, inclusive.
    RemoveTo(u64),
}

/// The open file.
#[derive(Debug)]
pub(super) struct LogFile {
    database: Database,
    path: PathBuf,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let opened = builder().create(path);
        Self::opened(opened, path)
    }

    pub(super) fn open_backend(backend: impl StorageBackend, path: &Path) -> Result<Self, LogError> {
        let opened = builder().create_with_backend(backend);
        Self::opened(opened, path)
    }

    fn opened(opened: Result<Database, redb::DatabaseError>, path: &Path) -> Result<Self, LogError> {
        match opened {
            Ok(database) => Ok(Self {
                database,
                path: path.to_owned(),
            }),
            Err(error) => Err(open_error(path, error.into())),
        }
    }

    /// Claims a fresh log for `owner`, or checks whom it belongs to; then reads and verifies every record.
    pub(super) fn load(&self, owner: RaftId) -> Result<Mirror, LogError> {
        match self.value::<RaftId>(OWNER)? {
            Some(found) if found != owner => {
                let (path, expected) = (self.path.clone(), owner);
                return Err(LogError::Owner { path, expected, found });
            }
            Some(_) => {}
            None => {
                let record = record::encode(OWNER, &owner).map_err(|error| self.damaged(OWNER, error))?;
                self.commit(&[Edit::Put(OWNER, record)])?;
            }
        }
        let mut mirror = Mirror {
            vote: self.value(VOTE)?,
            committed: self.value(COMMITTED)?,
            purged: self.value(PURGED)?,
            ..Mirror::default()
        };
        self.load_entries(&mut mirror)?;
        // `committed` is written lazily and never ahead of the entries, but a later truncation may have passed it.
        mirror.committed = mirror.committed.min(mirror.last());
        Ok(mirror)
    }

    fn load_entries(&self, mirror: &mut Mirror) -> Result<(), LogError> {
        let read = |error: redb::Error| self.open_error(error);
        let transaction = self.database.begin_read().map_err(|e| read(e.into()))?;
        let table = match transaction.open_table(ENTRIES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(read(error.into())),
        };
        let mut expected = mirror.next_index();
        for row in table.iter().map_err(|e| read(e.into()))? {
            let (key, value) = row.map_err(|e| read(e.into()))?;
            let index = key.value();
            let expected_index = expected.unwrap_or(index);
            if index != expected_index {
                return Err(self.hole(expected_index, index));
            }
            let position = Position::Entry(index);
            let entry: Entry =
                record::decode(position, value.value()).map_err(|source| self.damaged_record(position, source))?;
            if entry.log_id.index != index {
                return Err(self.hole(index, entry.log_id.index));
            }
            mirror.push(entry, value.value().len());
            expected = Some(index + 1);
        }
        Ok(())
    }

    fn value<T: serde::de::DeserializeOwned>(&self, at: Position) -> Result<Option<T>, LogError> {
        let Position::Value(name) = at else {
            return Ok(None);
        };
        let read = |error: redb::Error| self.open_error(error);
        let transaction = self.database.begin_read().map_err(|e| read(e.into()))?;
        let table = match transaction.open_table(VALUES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(read(error.into())),
        };
        let Some(found) = table.get(name).map_err(|e| read(e.into()))? else {
            return Ok(None);
        };
        record::decode(at, found.value())
            .map(Some)
            .map_err(|source| self.damaged_record(at, source))
    }

    /// Makes all edits durable, in their order, or none of them.
    pub(super) fn commit(&self, edits: &[Edit]) -> Result<(), LogError> {
        self.try_commit(edits).map_err(|source| LogError::Write {
            path: self.path.clone(),
            source: Box::new(source),
        })
    }

    fn try_commit(&self, edits: &[Edit]) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut values = transaction.open_table(VALUES)?;
            for edit in edits {
                match edit {
                    Edit::Put(Position::Entry(index), record) => {
                        entries.insert(index, record.as_slice())?;
                    }
                    Edit::Put(Position::Value(name), record) => {
                        values.insert(*name, record.as_slice())?;
                    }
                    Edit::RemoveFrom(index) => entries.retain_in(*index.., |_, _| false)?,
                    Edit::RemoveTo(index) => entries.retain_in(..=*index, |_, _| false)?,
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open_error(&self, error: redb::Error) -> LogError {
        open_error(&self.path, error)
    }

    fn damaged(&self, position: Position, error: serde_json::Error) -> LogError {
        self.damaged_record(position, record::RecordError::Decode(error))
    }

    fn damaged_record(&self, position: Position, source: record::RecordError) -> LogError {
        LogError::Damaged {
            path: self.path.clone(),
            position,
            source,
        }
    }

    fn hole(&self, expected: u64, found: u64) -> LogError {
        LogError::Hole {
            path: self.path.clone(),
            expected,
            found,
        }
    }
}

fn open_error(path: &Path, error: redb::Error) -> LogError {
    let (path, source) = (path.to_owned(), Box::new(error));
    if !matches!(*source, redb::Error::Corrupted(_)) {
        return LogError::Open { path, source };
    }
    let bytes = std::fs::read(&path).unwrap_or_default();
    let place =
        locate::damaged_record(&bytes).unwrap_or_else(|| "a page of its index, no record is affected".to_owned());
    LogError::Pages { path, place, source }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}
