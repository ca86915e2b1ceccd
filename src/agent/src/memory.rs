//! The agent's memory on disk: written beside, synced, renamed over, so that a crash leaves the old or the new.

use std::fs::{self, File};
use std::io::{self, Write as _};
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
        self.store(&Durable::default())?;
        Ok(Durable::default())
    }

    fn load(&self) -> Result<Option<Durable>, MemoryError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.access(source)),
        };
        let damaged = |why: String| MemoryError::Damaged {
            path: self.path.clone(),
            why,
        };
        let content: Content = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if content.checksum != content.sum() {
            return Err(damaged("wrong checksum".to_owned()));
        }
        if content.cluster != self.cluster || content.node != self.node {
            return Err(MemoryError::Foreign {
                path: self.path.clone(),
                found: format!("{}/{}", content.cluster, content.node),
                wanted: format!("{}/{}", self.cluster, self.node),
            });
        }
        Ok(Some(content.memory))
    }

    pub(crate) fn store(&self, memory: &Durable) -> Result<(), MemoryError> {
        let mut content = Content {
            version: 1,
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            memory: *memory,
            checksum: 0,
        };
        content.checksum = content.sum();
        let text = serde_json::to_vec(&content).map_err(|error| self.access(error.into()))?;
        self.replace(&text).map_err(|source| self.access(source))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(text)?;
        file.sync_data()?;
        fs::rename(&temporary, &self.path)?;
        match self.path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    fn access(&self, source: io::Error) -> MemoryError {
        MemoryError::Access {
            path: self.path.clone(),
            source,
        }
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
        let text = fs::read_to_string(&path).unwrap();
        for broken in [text.replace('7', "8"), text[..text.len() / 2].to_owned(), String::new()] {
            fs::write(&path, broken).unwrap();
            let error = memory.load_or_begin(true).unwrap_err();
            assert!(matches!(error, MemoryError::Damaged { .. }), "{error}");
        }
    }
}
