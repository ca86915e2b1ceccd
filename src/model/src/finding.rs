//! What `doctor` found.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; no guarantee is lost.
    Notice,
    /// A guarantee is weaker than declared, or will be after a further fault.
    Warning,
    /// An acknowledged write could be lost, or failover would not work.
    Critical,
}

/// One deviation from the contract that the promise rests on, in words an operator can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code, for example `variable.sync_binlog`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what was expected.
    pub problem: String,
    /// The guarantee that is lost, in words.
    pub lost_guarantee: String,
    /// What to do.
    pub remedy: String,
}
