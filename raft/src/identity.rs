//! Which log this disk holds: `identity.json`. Written once, before the node takes part in anything.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fsio;
use crate::types::RaftId;

const FILE: &str = "identity.json";
const FORMAT: u16 = 1;

/// The cluster this disk belongs to and the id of its log. The id is never used again with another disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Format version of the file.
    pub format: u16,
    /// The cluster; drawn at random when the group forms.
    pub cluster_id: String,
    /// Id of the log on this disk.
    pub node_id: RaftId,
    /// Whether the log was created. From then on, a missing log is a lost log.
    pub log_created: bool,
}

/// The identity file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Reading failed.
    #[error("cannot read {}; check its owner and mode", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write {}; check the folder's owner, mode and free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The content is not an identity.
    #[error(
        "{} is damaged; move the whole data folder aside and start with an empty one: this supervisor rejoins under a new id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A newer build wrote it.
    #[error("{} has format {found}, this build knows {FORMAT}; start the build that wrote it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
    },
}

impl Identity {
    pub(crate) fn new(cluster_id: String, node_id: RaftId) -> Self {
        Self {
            format: FORMAT,
            cluster_id,
            node_id,
            log_created: false,
        }
    }

    /// Reads the identity of a data folder; none on a fresh disk.
    ///
    /// # Errors
    /// The file is there and cannot be used.
    pub fn load(folder: &Path) -> Result<Option<Self>, IdentityError> {
        let path = folder.join(FILE);
        let bytes = match fsio::read_if_present(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(source) => return Err(IdentityError::Read { path, source }),
        };
        let identity: Self = match serde_json::from_slice(&bytes) {
            Ok(identity) => identity,
            Err(source) => return Err(IdentityError::Damaged { path, source }),
        };
        if identity.format == FORMAT {
            Ok(Some(identity))
        } else {
            let found = identity.format;
            Err(IdentityError::Format { path, found })
        }
    }

    /// Writes the identity durably.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), IdentityError> {
        let path = folder.join(FILE);
        let written = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .and_then(|bytes| fsio::replace(&path, &[&bytes]));
        written.map_err(|source| IdentityError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip_and_refuses_damage() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Identity::load(folder.path()).unwrap(), None);
        let identity = Identity::new("c1".to_owned(), 7);
        identity.save(folder.path()).unwrap();
        assert_eq!(Identity::load(folder.path()).unwrap(), Some(identity));
        std::fs::write(folder.path().join(FILE), b"{").unwrap();
        assert!(matches!(
            Identity::load(folder.path()),
            Err(IdentityError::Damaged { .. })
        ));
    }
}
