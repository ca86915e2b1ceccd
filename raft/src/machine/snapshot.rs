//! The snapshot's format and its file.
//!
//! One line of JSON (format, what it covers, length and SHA-256 of what follows), a line feed, then the state as JSON.
//! The same bytes travel over the network. The file is replaced atomically and never half there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quorate_model::State;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::hex;
use crate::fsio;
use crate::types::{SnapshotMeta, Vote};

const FILE: &str = "snapshot";
const FORMAT: u16 = 1;

/// A state, encoded: what openraft hands around.
#[derive(Debug, Clone)]
pub struct SnapshotBody(pub(crate) Bytes);

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SnapshotHeader {
    pub(crate) format: u16,
    pub(crate) meta: SnapshotMeta,
    pub(crate) length: u64,
    pub(crate) sha256: String,
    /// The sending leader's vote; only on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vote: Option<Vote>,
}

/// A snapshot could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Reading failed.
    #[error("cannot read the snapshot {}; check its owner and mode", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write the snapshot {}; check the disk and its free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The content does not verify.
    #[error(
        "the snapshot {} is damaged ({detail}); move the data folder aside and start with an empty one: this \
         supervisor rejoins under a new id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which byte.
        detail: String,
    },
}

impl SnapshotBody {
    pub(crate) fn encode(state: &State) -> serde_json::Result<Self> {
        Ok(Self(serde_json::to_vec(state)?.into()))
    }

    pub(crate) fn decode(&self) -> serde_json::Result<State> {
        serde_json::from_slice(&self.0)
    }
}

impl SnapshotHeader {
    pub(crate) fn new(meta: SnapshotMeta, body: &SnapshotBody, vote: Option<Vote>) -> Self {
        Self {
            format: FORMAT,
            meta,
            length: body.0.len() as u64,
            sha256: hex(&Sha256::digest(&body.0)),
            vote,
        }
    }

    pub(crate) fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let header: Self =
            serde_json::from_slice(line).map_err(|error| format!("the header in line 1 does not decode: {error}"))?;
        if header.format == FORMAT {
            Ok(header)
        } else {
            Err(format!(
                "format {} is unknown, this build knows {FORMAT}",
                header.format
            ))
        }
    }

    pub(crate) fn check(&self, body: &[u8]) -> Result<(), String> {
        if body.len() as u64 != self.length {
            return Err(format!(
                "{} bytes follow the header, {} are announced",
                body.len(),
                self.length
            ));
        }
        let found = hex(&Sha256::digest(body));
        if found == self.sha256 {
            Ok(())
        } else {
            Err(format!(
                "SHA-256 of the {} bytes after the header is {found}, {} is announced",
                body.len(),
                self.sha256
            ))
        }
    }
}

/// The one snapshot on disk.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotStore {
    path: PathBuf,
    /// Index that the file covers; held while the file is replaced, so that an older one never replaces a newer.
    covered: Arc<Mutex<Option<u64>>>,
}

impl SnapshotStore {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE),
            covered: Arc::default(),
        }
    }

    pub(crate) fn load(&self) -> Result<Option<(SnapshotMeta, SnapshotBody)>, SnapshotError> {
        let path = self.path.clone();
        let bytes = match fsio::read_if_present(&path) {
            Ok(Some(bytes)) => Bytes::from(bytes),
            Ok(None) => return Ok(None),
            Err(source) => return Err(SnapshotError::Read { path, source }),
        };
        let damaged = |detail| SnapshotError::Damaged {
            path: path.clone(),
            detail,
        };
        let end = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| damaged("line 1 has no end".to_owned()))?;
        let header = SnapshotHeader::parse(&bytes[..end]).map_err(damaged)?;
        let body = bytes.slice(end + 1..);
        header.check(&body).map_err(damaged)?;
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        *covered = header.meta.last_log_id.map(|id| id.index).max(*covered);
        Ok(Some((header.meta, SnapshotBody(body))))
    }

    /// Replaces the snapshot unless the one there covers more.
    pub(crate) fn save(&self, meta: &SnapshotMeta, body: &SnapshotBody) -> io::Result<()> {
        let line = SnapshotHeader::new(meta.clone(), body, None).to_line()?;
        let index = meta.last_log_id.map(|id| id.index);
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        if *covered > index {
            return Ok(());
        }
        fsio::replace(&self.path, &[&line, &body.0]).map_err(|source| {
            io::Error::other(SnapshotError::Write {
                path: self.path.clone(),
                source,
            })
        })?;
        *covered = index;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = SnapshotStore::new(folder.path());
        let body = SnapshotBody::encode(&State::default()).unwrap();
        store.save(&SnapshotMeta::default(), &body).unwrap();
        assert!(store.load().unwrap().is_some());
        let path = folder.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        let start = good.iter().position(|&b| b == b'\n').unwrap();
        for at in start..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            std::fs::write(&path, bad).unwrap();
            assert!(store.load().is_err(), "byte {at}");
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("bytes follow the header"), "{error}");
    }
}
