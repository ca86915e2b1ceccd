//! The agent's memory on disk: two copies in one file of fixed size, so that a promise costs one overwrite and one sync.
//!
//! The first copy is written and synced, which is when the memory counts as kept; then the second. A write that was cut
//! off spoils the first copy and leaves the second, which holds what was kept before; damage that comes later
//! spoils one of two equal copies. The file itself is made beside and renamed into place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_model::{ClusterId, NodeId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::error::MemoryError;
use crate::machine::{Durable, Event};

/// File of the memory in the node's home.
pub(crate) const MEMORY_FILE: &str = "quorate-agent.json";
/// Size of one copy; a block of its own, so that a cut-off write touches no other.
const COPY_BYTES: usize = 4096;
/// A disk that refuses a write is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Where the memory is and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    path: PathBuf,
    cluster: ClusterId,
    node: NodeId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    cluster: ClusterId,
    node: NodeId,
    memory: Durable,
    /// CRC-32 of the file with this field at 0.
    checksum: u32,
}

impl Content {
    fn sum(&self) -> u32 {
        let cleared = serde_json::to_vec(&(self.version, &self.cluster, &self.node, &self.memory));
        crc32fast::hash(&cleared.unwrap_or_default())
    }
}

impl Memory {
    pub(crate) fn new(home: &Path, cluster: ClusterId, node: NodeId) -> Self {
        let path = home.join(MEMORY_FILE);
        Self { path, cluster, node }
    }

    /// Reads it. A node without a data directory begins with an empty one, which is written before the
    /// data directory is made; so a data directory without its memory means that the memory was lost.
    pub(crate) fn load_or_begin(&self, has_data: bool) -> Result<Durable, MemoryError> {
        if let Some(memory) = self.load()? {
            return Ok(memory);
        }
        if has_data {
            return Err(MemoryError::Missing {
                path: self.path.clone(),
            });
        }
        self.create(&Durable::default())?;
        Ok(Durable::default())
    }

    fn load(&self) -> Result<Option<Durable>, MemoryError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.access(source)),
        };
        let (first, second) = text.split_at(text.len().min(COPY_BYTES));
        // Both whole: the first is the newer one.
        let content = match (parse(first), parse(second)) {
            (Ok(content), _) | (Err(_), Ok(content)) => content,
            (Err(why), Err(_)) => {
                let path = self.path.clone();
                return Err(MemoryError::Damaged { path, why });
            }
        };
        if content.cluster != self.cluster || content.node != self.node {
            return Err(MemoryError::Foreign {
                path: self.path.clone(),
                found: format!("{}/{}", content.cluster, content.node),
                wanted: format!("{}/{}", self.cluster, self.node),
            });
        }
        Ok(Some(content.memory))
    }

    fn create(&self, memory: &Durable) -> Result<(), MemoryError> {
        let copy = self.copy(memory)?;
        let created = || {
            let temporary = self.path.with_extension("new");
            let mut file = File::create(&temporary)?;
            file.write_all(&copy)?;
            file.write_all(&copy)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)?;
            match self.path.parent() {
                Some(parent) => File::open(parent)?.sync_all(),
                None => Ok(()),
            }
        };
        created().map_err(|source| self.access(source))
    }

    /// Keeps it: durable on return.
    pub(crate) fn store(&self, memory: &Durable) -> Result<(), MemoryError> {
        self.overwrite(0, memory)
    }

    /// Makes the second copy equal to the first. Must come after each [`Memory::store`], before the next.
    pub(crate) fn mirror(&self, memory: &Durable) -> Result<(), MemoryError> {
        self.overwrite(1, memory)
    }

    fn overwrite(&self, which: u64, memory: &Durable) -> Result<(), MemoryError> {
        let copy = self.copy(memory)?;
        let written = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.write_all_at(&copy, which * COPY_BYTES as u64)?;
            file.sync_data()
        };
        written().map_err(|source| self.access(source))
    }

    fn copy(&self, memory: &Durable) -> Result<Vec<u8>, MemoryError> {
        let mut content = Content {
            version: 1,
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            memory: *memory,
            checksum: 0,
        };
        content.checksum = content.sum();
        let mut text = serde_json::to_vec(&content).map_err(|error| self.access(error.into()))?;
        if text.len() >= COPY_BYTES {
            return Err(self.access(io::ErrorKind::FileTooLarge.into()));
        }
        text.resize(COPY_BYTES - 1, b' ');
        text.push(b'\n');
        Ok(text)
    }

    fn access(&self, source: io::Error) -> MemoryError {
        MemoryError::Access {
            path: self.path.clone(),
            source,
        }
    }
}

fn parse(text: &[u8]) -> Result<Content, String> {
    let content: Content = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if content.version != 1 {
        return Err(format!("version {} is not known here", content.version));
    }
    if content.checksum == content.sum() {
        Ok(content)
    } else {
        Err("wrong checksum".to_owned())
    }
}

/// Writes the newest of what is wanted, one after the other, and tells when it is on disk.
pub(crate) async fn keep(
    memory: Memory,
    mut wanted: watch::Receiver<Option<Durable>>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = wanted.changed() => if changed.is_err() { return },
        }
        let Some(durable) = *wanted.borrow_and_update() else {
            continue;
        };
        loop {
            let writer = memory.clone();
            let written = tokio::task::spawn_blocking(move || writer.store(&durable)).await;
            match written {
                Ok(Ok(())) => break,
                Ok(Err(error)) => tracing::error!(error = %chain(&error), "cannot write the promise; trying again"),
                Err(error) => tracing::error!(%error, "the writer of the promise failed; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY_AFTER) => {}
            }
        }
        if events.send(Event::Persisted(durable)).await.is_err() {
            return;
        }
        let writer = memory.clone();
        let mirrored = tokio::task::spawn_blocking(move || writer.mirror(&durable)).await;
        if let Ok(Err(error)) = mirrored {
            tracing::error!(error = %chain(&error), "cannot write the second copy of the promise");
        }
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use quorate_model::Epoch;

    use super::*;

    #[test]
    fn it_survives_and_every_kind_of_damage_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::new(home.path(), "c".into(), "m1".into());
        assert!(matches!(memory.load_or_begin(true), Err(MemoryError::Missing { .. })));
        assert_eq!(memory.load_or_begin(false).unwrap(), Durable::default());
        let durable = Durable {
            promised: Epoch(7),
            boot: 3,
            led: Epoch(6),
            failsafe: Some(Epoch(7)),
        };
        memory.store(&durable).unwrap();
        assert_eq!(memory.load_or_begin(true).unwrap(), durable);

        let other = Memory::new(home.path(), "c".into(), "m2".into());
        assert!(matches!(other.load_or_begin(true), Err(MemoryError::Foreign { .. })));
        let path = home.path().join(MEMORY_FILE);
        let whole = fs::read(&path).unwrap();
        for len in [0, 30, 100] {
            fs::write(&path, &whole[..len]).unwrap();
            let error = memory.load_or_begin(true).unwrap_err();
            assert!(matches!(error, MemoryError::Damaged { .. }), "{error}");
        }
        let mut spoiled = whole;
        for at in [60, COPY_BYTES + 60] {
            spoiled[at] ^= 1;
            fs::write(&path, &spoiled).unwrap();
            let damaged = matches!(memory.load_or_begin(true), Err(MemoryError::Damaged { .. }));
            assert_eq!(damaged, at > COPY_BYTES, "only when both copies are spoiled");
        }
    }

    #[test]
    fn a_write_that_was_cut_off_leaves_what_was_kept_before() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::new(home.path(), "c".into(), "m1".into());
        memory.load_or_begin(false).unwrap();
        let kept = |promised| Durable {
            promised: Epoch(promised),
            ..Durable::default()
        };
        memory.store(&kept(7)).unwrap();
        assert_eq!(
            memory.load_or_begin(true).unwrap(),
            kept(7),
            "kept before the second copy is written"
        );
        memory.mirror(&kept(7)).unwrap();
        let path = home.path().join(MEMORY_FILE);
        let mut torn = fs::read(&path).unwrap();
        torn[50..COPY_BYTES].fill(0);
        fs::write(&path, torn).unwrap();
        assert_eq!(memory.load_or_begin(true).unwrap(), kept(7));
    }
}
