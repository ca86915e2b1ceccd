//! The replica's side of replication: the local server's receiving thread dials the relay, and the agent takes it to the
//! primary's door. Beside it the agent keeps a connection over which the primary can ask for a failsafe lease.

mod dial;
mod failsafe;
mod relay;
mod stream;

pub(crate) use failsafe::Answers;
pub(crate) use relay::Relay;
pub(crate) use stream::Stream;

use std::sync::Arc;

use quorate_model::{ClusterId, NodeId};
use rustls::ClientConfig;

/// Who dials.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Kept, so that a door that was dialled before is greeted with one round trip less.
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
}
