//! What the two processes say, as frames of the link's format.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorate_model::{ClusterId, Epoch, RouteTable, RouterId};
use serde::{Deserialize, Serialize};

/// Version of these messages; another one is refused.
const VERSION: u32 = 1;

/// Who asks, and who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    version: u32,
    router: RouterId,
    cluster: ClusterId,
}

/// The answer to an [`Identity`]; the sockets follow it in this order, with one byte.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Offered(Vec<Named>),
    Refused { why: String },
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    /// Its field under `listen`.
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// From now on it is mine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Take;

/// It is yours.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handed {
    pub(super) table: Option<RouteTable>,
}

/// No connection of an epoch below this one is left.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Drained {
    pub(super) below: Epoch,
}

impl Identity {
    pub(crate) const fn new(router: RouterId, cluster: ClusterId) -> Self {
        Self {
            version: VERSION,
            router,
            cluster,
        }
    }
}

/// Where a router can be asked: beside its state file, which no two routers share.
pub(super) fn path_of(state_file: &Path) -> PathBuf {
    let mut name = state_file.file_name().unwrap_or_default().to_owned();
    name.push(".handover");
    state_file.with_file_name(name)
}
