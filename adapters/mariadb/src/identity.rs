//! Whose data directory this is: a marker file inside it, written last when it is created.
//!
//! A directory without the marker is never used, and one with another node's marker never opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_model::{ClusterId, Incarnation, NodeId};
use serde::{Deserialize, Serialize};

use crate::durable;

/// The marker's name inside the data directory.
pub const IDENTITY_FILE: &str = "quorate-identity.json";

/// Who a data directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The cluster's name.
    pub cluster: ClusterId,
    /// The node's id within the cluster.
    pub node: NodeId,
    /// Drawn anew whenever the directory is created or rebuilt.
    pub incarnation: Incarnation,
    /// The server id that belongs to this incarnation. It is never reused: a restored server that kept its old id
    /// would silently skip its own earlier transactions.
    pub server_id: u32,
}

/// The marker is unreadable or names somebody else.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read or written.
    #[error("cannot access {}", path.display())]
    Access {
        /// The marker file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not what we wrote.
    #[error("{} is damaged; restore it, or move the data directory away and let the node be rebuilt", path.display())]
    Damaged {
        /// The marker file.
        path: PathBuf,
        /// Where the content stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// It belongs to another node or cluster.
    #[error(
        "{} belongs to node `{}` of cluster `{}`, not to node `{node}` of cluster `{cluster}`; \
         point this agent at its own directory",
        path.display(), found.node, found.cluster
    )]
    Foreign {
        /// The data directory.
        path: PathBuf,
        /// Whom it belongs to.
        found: Box<Identity>,
        /// Our cluster.
        cluster: ClusterId,
        /// Our node.
        node: NodeId,
    },
}

impl Identity {
    /// Reads the marker of a data directory; `None` if there is no marker.
    ///
    /// # Errors
    /// The marker exists but cannot be read or understood.
    pub fn read(datadir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = datadir.join(IDENTITY_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IdentityError::Access { path, source }),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| IdentityError::Damaged { path, source })
    }

    /// Writes the marker, durably.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, datadir: &Path) -> Result<(), IdentityError> {
        let path = datadir.join(IDENTITY_FILE);
        let failed = |source| IdentityError::Access {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        durable::replace(&path, &text, 0o644).map_err(failed)
    }

    /// Refuses a directory of another node or cluster.
    ///
    /// # Errors
    /// [`IdentityError::Foreign`], naming the owner.
    pub fn require(&self, datadir: &Path, cluster: &ClusterId, node: &NodeId) -> Result<(), IdentityError> {
        if self.cluster == *cluster && self.node == *node {
            return Ok(());
        }
        Err(IdentityError::Foreign {
            path: datadir.to_owned(),
            found: Box::new(self.clone()),
            cluster: cluster.clone(),
            node: node.clone(),
        })
    }
}
