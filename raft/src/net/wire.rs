//! What goes over the wire: paths, headers, the closed set of error codes, and the bodies that are not openraft's.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::types::{Member, RaftId};

/// Version of this protocol. Peers of another version are refused.
pub(crate) const PROTOCOL: &str = "1";
/// Header with [`PROTOCOL`].
pub(crate) const HEADER_PROTOCOL: &str = "x-quorate-protocol";
/// Header with the cluster id.
pub(crate) const HEADER_CLUSTER: &str = "x-quorate-cluster";
/// Header with the Raft id of the node that is meant.
pub(crate) const HEADER_TARGET: &str = "x-quorate-target";

/// Paths of the calls.
pub(crate) mod path {
    pub(crate) const APPEND: &str = "/raft/v1/append";
    pub(crate) const VOTE: &str = "/raft/v1/vote";
    pub(crate) const PRE_VOTE: &str = "/raft/v1/pre-vote";
    pub(crate) const TRANSFER: &str = "/raft/v1/transfer";
    pub(crate) const SNAPSHOT: &str = "/raft/v1/snapshot";
    pub(crate) const STATUS: &str = "/raft/v1/status";
    pub(crate) const FORM: &str = "/raft/v1/form";
    pub(crate) const JOIN: &str = "/raft/v1/join";
    pub(crate) const ADMIT: &str = "/raft/v1/admit";
}

/// Why a peer refused a call. The set is closed; peers switch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 426: the peer speaks another protocol version.
    WrongProtocol,
    /// 409: the peer belongs to another cluster.
    WrongCluster,
    /// 421: another node answers at this address.
    WrongNode,
    /// 400: the body or a header does not decode, or the snapshot's hash does not match.
    BadRequest,
    /// 413: the body is larger than allowed.
    TooLarge,
    /// 503: the peer has no log yet, or membership is being changed; try again.
    NotReady,
    /// 421: only the leader can do that; `leader` says who that is.
    NotLeader,
    /// 409: the peer's list of supervisors differs.
    PeersDiffer,
    /// 409: the name is held by a supervisor that is alive.
    NameInUse,
    /// 403: no supervisor of that name is configured.
    UnknownName,
    /// 500: the peer's Raft has stopped; its log says why.
    Stopped,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// Which.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// For [`ErrorCode::NotLeader`], who leads, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Member>,
}

impl WireError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            leader: None,
        }
    }

    pub(crate) fn stopped(error: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Stopped, error.to_string())
    }

    fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::WrongProtocol => StatusCode::UPGRADE_REQUIRED,
            ErrorCode::WrongCluster | ErrorCode::PeersDiffer | ErrorCode::NameInUse => StatusCode::CONFLICT,
            ErrorCode::WrongNode | ErrorCode::NotLeader => StatusCode::MISDIRECTED_REQUEST,
            ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::UnknownName => StatusCode::FORBIDDEN,
            ErrorCode::Stopped => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WireError {}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        (self.status(), Json(self)).into_response()
    }
}

/// How far a supervisor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub(crate) enum Phase {
    /// Nothing on its disk.
    Empty,
    /// It has an identity but its log is empty.
    Named { cluster_id: String, node_id: RaftId },
    /// It holds a log.
    Running {
        cluster_id: String,
        node_id: RaftId,
        /// Whom it knows in the group.
        members: Vec<(RaftId, Member)>,
        /// Whom it follows.
        leader: Option<Member>,
    },
}

/// Answer to a status call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) name: String,
    pub(crate) peers_digest: String,
    #[serde(flatten)]
    pub(crate) phase: Phase,
}

/// The lowest first voter asks the others to take their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormRequest {
    pub(crate) cluster_id: String,
    pub(crate) node_id: RaftId,
    pub(crate) peers_digest: String,
}

/// A supervisor with an empty disk asks the leader for an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinRequest {
    pub(crate) member: Member,
}

/// The new id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinAnswer {
    pub(crate) cluster_id: String,
    pub(crate) node_id: RaftId,
}

/// A supervisor with a new id asks the leader to make it a voter in place of its former self.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdmitRequest {
    pub(crate) node_id: RaftId,
    pub(crate) member: Member,
}
