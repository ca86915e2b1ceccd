//! Which sessions may share a connection to a server.

use std::net::IpAddr;
use std::sync::Arc;

use quorate_model::{Epoch, NodeId};

use super::pool::Key;
use crate::core::route::Access;

/// Equal keys, equal connections: whoever has the one may be given the other. Cloned freely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolKey(pub(crate) Arc<Fit>);

/// What must be equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) node: NodeId,
    pub(crate) epoch: Epoch,
    /// A door admits for writing or for reading.
    pub(crate) access: Access,
    pub(crate) user: String,
    /// What the session proved to know: a changed password makes another key. No secret: a hash of it.
    pub(crate) identity: Box<[u8]>,
    /// Capabilities that the client asked for and that a server keeps for the connection's life.
    pub(crate) bits: u64,
    /// The collation of the login, which a reset of the connection brings back.
    pub(crate) collation: u8,
    /// Where the server is told the client is, if it is told.
    pub(crate) client: Option<IpAddr>,
    /// Whether the connection has had a default database: one cannot be put back to none.
    pub(crate) has_database: bool,
}

impl Key for PoolKey {
    fn node(&self) -> &NodeId {
        &self.0.node
    }

    fn epoch(&self) -> Epoch {
        self.0.epoch
    }
}
