//! `GET /v1/routes` and `GET /v1/routes/watch`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What routers follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteView {
    /// The epoch.
    pub epoch: u64,
    /// Log index of the state behind it.
    pub index: u64,
    /// Grows between two log entries.
    pub revision: u64,
    /// The primary, if its epoch is open.
    pub writable: Option<EndpointView>,
    /// Where reads may go, best first.
    pub readable: Vec<EndpointView>,
}

/// Where a node can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointView {
    /// The node.
    pub node: String,
    /// `host:port` of its door.
    pub door: String,
}
