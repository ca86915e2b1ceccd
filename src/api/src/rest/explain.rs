//! `GET /v1/explain`: the plan, and what it holds back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ForecastView, HeldBackView};

/// What the leader does now and what it does not do, with reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainView {
    /// The epoch.
    pub epoch: u64,
    /// Whether a quorum acknowledged the leader lately enough for it to act.
    pub may_act: bool,
    /// What is about to be committed, in words.
    pub changes: Vec<String>,
    /// What each node shall be, in words.
    pub orders: BTreeMap<String, String>,
    /// Whose door may be leased.
    pub leased: Option<String>,
    /// Why.
    pub reasons: Vec<ReasonView>,
    /// What is not done, what it waits for and until when.
    pub held_back: Vec<HeldBackView>,
    /// What the audit found: while there is anything, nothing is done.
    pub violations: Vec<ViolationView>,
    /// What would happen if the primary died now.
    pub forecast: ForecastView,
}

/// One justification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonView {
    /// A node, a router or the cluster.
    pub about: String,
    /// What was seen and what follows.
    pub because: String,
}

/// An invariant that the plan would break: a defect of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ViolationView {
    /// What is wrong, with the invariant's number.
    pub problem: String,
}
