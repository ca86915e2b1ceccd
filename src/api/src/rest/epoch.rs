//! `GET /v1/epochs` and `GET /v1/epochs/{epoch}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The last epochs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochList {
    /// Oldest first.
    pub epochs: Vec<EpochView>,
}

/// One primary term, with everything that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochView {
    /// Its number.
    pub epoch: u64,
    /// Why it began, in words.
    pub cause: String,
    /// Who asked for it: `planner` or an operator.
    pub by: String,
    /// Who led before.
    pub deposed: Option<String>,
    /// Who leads it.
    pub primary: Option<String>,
    /// Log index of the election: the fencing token.
    pub token: Option<u64>,
    /// What the primary held when it was elected.
    pub required: String,
    /// The positions that were compared.
    pub positions: BTreeMap<String, String>,
    /// When it began, in milliseconds since 1970.
    pub began_unix_ms: u64,
    /// Milliseconds from its beginning to the election.
    pub elected_after_ms: Option<u64>,
    /// Milliseconds from its beginning until clients were served.
    pub opened_after_ms: Option<u64>,
    /// What was seen, in the order of the decisions.
    pub evidence: Vec<EvidenceView>,
}

/// One observation that a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// Who saw it.
    pub source: String,
    /// What was seen.
    pub fact: String,
}
