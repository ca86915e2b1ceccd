//! What an operator can ask for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/switchover`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchoverRequest {
    /// The cluster's name; may be left out while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Who shall take over; the best replica if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why; kept in the audit trail.
    pub why: String,
    /// Only if this is still the epoch: protects against acting on an old picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /v1/pause` and `POST /v1/resume`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    /// The cluster's name; may be left out while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Why; kept in the audit trail.
    pub why: String,
}

/// `POST /v1/raft/transfer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// The supervisor that shall lead.
    pub to: String,
    /// Why; kept in the audit trail.
    pub why: String,
}

/// A request was carried out, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionReply {
    /// Whether anything was changed; not by a dry run.
    pub committed: bool,
    /// The operation's key in the events.
    pub operation: Option<String>,
    /// The epoch after it. A switchover is done when this epoch is open.
    pub epoch: u64,
    /// Its log index.
    pub index: Option<u64>,
    /// What a switchover does.
    pub plan: Option<SwitchoverPlan>,
}

/// What a switchover does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SwitchoverPlan {
    /// Who leads.
    pub from: String,
    /// Who would.
    pub to: String,
    /// Transactions that the successor has received and not applied.
    pub backlog: u64,
    /// Longest freeze of commits, in milliseconds; after it the switchover is aborted.
    pub freeze_limit_ms: u64,
}
