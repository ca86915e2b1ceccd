//! `GET /v1/doctor`: which guarantee is weaker than declared, in words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ForecastView;

/// Findings of every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorView {
    /// The worst severity found; none means all is well.
    pub worst: Option<SeverityView>,
    /// Findings about the cluster as a whole.
    pub cluster: Vec<FindingView>,
    /// By node.
    pub nodes: Vec<NodeFindings>,
    /// What would happen if the primary died now.
    pub forecast: ForecastView,
}

/// One node's findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeFindings {
    /// The node.
    pub node: String,
    /// Milliseconds since it was last heard of; none if never.
    pub heard_ms: Option<u64>,
    /// What was found, worst first.
    pub findings: Vec<FindingView>,
}

/// One deviation from what the promise rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// Stable code.
    pub code: String,
    /// How bad.
    pub severity: SeverityView,
    /// What was found and what was expected.
    pub problem: String,
    /// The guarantee that is lost.
    pub lost_guarantee: String,
    /// What to do.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeverityView {
    /// Worth knowing.
    Notice,
    /// A guarantee is weaker than declared, or will be after a further fault.
    Warning,
    /// An acknowledged write could be lost, or failover would not work.
    Critical,
}
