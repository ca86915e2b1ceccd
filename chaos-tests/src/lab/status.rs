//! `quorate status --json`, as a program reads it.

use anyhow::{Context as _, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Status {
    clusters: Vec<ClusterStatus>,
}

/// One cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct ClusterStatus {
    /// Its epoch.
    pub epoch: u64,
    /// `open`, `revoking`, …
    pub phase: String,
    /// Who leads.
    pub primary: Option<String>,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
    /// Who may acknowledge.
    pub ack_set: Vec<String>,
    /// The supervisors.
    pub supervisors: Vec<SupervisorStatus>,
}

/// One node.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeStatus {
    /// Its id.
    pub id: String,
    /// `primary`, `replica` or `none`.
    pub role: String,
    /// `healthy`, `down`, …
    pub state: String,
    /// What it has applied.
    pub gtid: String,
}

/// One supervisor.
#[derive(Debug, Clone, Deserialize)]
pub struct SupervisorStatus {
    /// Its id.
    pub id: String,
    /// `leader`, `follower`, …
    pub role: String,
}

impl ClusterStatus {
    /// Open, one primary, every other node a healthy replica that may acknowledge.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.phase == "open"
            && self.primary.is_some()
            && self.nodes.iter().all(|node| node.state == "healthy")
            && self.nodes.iter().filter(|node| node.role == "primary").count() == 1
            && self.ack_set.len().saturating_add(1) == self.nodes.len()
    }

    /// The leading supervisor, if one is known.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.supervisors
            .iter()
            .find(|s| s.role == "leader")
            .map(|s| s.id.as_str())
    }
}

pub(super) fn parse(text: &[u8]) -> Result<ClusterStatus> {
    let status: Status = serde_json::from_slice(text).context("parsing the status")?;
    status.clusters.into_iter().next().context("no cluster in the status")
}
