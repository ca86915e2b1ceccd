//! `GET /v1/events` and `GET /v1/events/stream`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Only those after this log index; none means the newest ones.
    pub after: Option<u64>,
    /// How many at most: 1 to 1000, 100 if not given.
    pub limit: Option<u16>,
}

/// Some events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// Oldest first.
    pub events: Vec<EventView>,
    /// Pass as `after` for the next page.
    pub next: u64,
    /// Events between `after` and the first one here are no longer kept.
    pub gap: bool,
}

/// One committed decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Log index.
    pub index: u64,
    /// When it was proposed, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// `planner` or an operator.
    pub by: String,
    /// The operation's key.
    pub operation: String,
    /// The epoch after it.
    pub epoch: u64,
    /// Stable kind, for example `begin`.
    pub kind: String,
    /// What happened.
    pub what: String,
}
