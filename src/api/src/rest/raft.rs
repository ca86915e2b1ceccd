//! `GET /v1/raft`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The supervisors as a Raft group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RaftView {
    /// Who answers.
    pub answered_by: String,
    /// Its term.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<String>,
    /// Milliseconds since a quorum acknowledged the leader; only the leader knows.
    pub quorum_ms: Option<u64>,
    /// Index of the last command applied here.
    pub applied: u64,
    /// The members, by id.
    pub members: Vec<MemberView>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Its name.
    pub id: String,
    /// Its place.
    pub role: MemberRole,
    /// `host:port` of its Raft listener.
    pub raft: String,
    /// Base URL of its REST API.
    pub api: String,
}

/// A supervisor's place in Raft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Leads.
    Leader,
    /// Votes.
    Follower,
    /// Is being brought up to date and does not vote yet.
    Learner,
    /// Configured, but not a member (yet).
    Absent,
}
