//! Why a request was refused: a closed set of codes.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of every answer with a status of 400 or above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// When trying again makes sense, in milliseconds; none means not without a change.
    pub retry_after_ms: Option<u64>,
    /// Base URL of the leader's API, with [`ErrorCode::NotLeader`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_api: Option<String>,
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: not JSON, or a path or query that is not understood.
    Malformed,
    /// 401: no bearer token, or one that is not known.
    Unauthenticated,
    /// 403: the token's role does not allow it.
    Forbidden,
    /// 404: no such path.
    NotFound,
    /// 404: no such cluster, node, supervisor or epoch.
    Unknown,
    /// 405: the path has no such method.
    MethodNotAllowed,
    /// 408: the request did not arrive, or was not answered, in time.
    Timeout,
    /// 409: the epoch named in the request is not the present one.
    StaleEpoch,
    /// 409: the phase does not allow it.
    WrongPhase,
    /// 409: automatic action is paused.
    Paused,
    /// 409: the node cannot take over now.
    Unfit,
    /// 409: already so, or refused by the state machine.
    Refused,
    /// 413: the body is too large.
    TooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMedia,
    /// 421: ask the leader.
    NotLeader,
    /// 422: a field is missing, unknown or wrong.
    Invalid,
    /// 429: too many requests are under way.
    Busy,
    /// 500: a defect of the program.
    Internal,
    /// 503: no quorum of supervisors; nothing can be decided.
    NoQuorum,
    /// 504: it may or may not have been committed; the events tell.
    Uncertain,
}

impl ErrorCode {
    /// Its HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound | Self::Unknown => 404,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::StaleEpoch | Self::WrongPhase | Self::Paused | Self::Unfit | Self::Refused => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::NotLeader => 421,
            Self::Invalid => 422,
            Self::Busy => 429,
            Self::Internal => 500,
            Self::NoQuorum => 503,
            Self::Uncertain => 504,
        }
    }

    /// When trying again makes sense without a change, in milliseconds.
    #[must_use]
    pub const fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::NotLeader => Some(0),
            Self::Busy | Self::Timeout => Some(200),
            Self::WrongPhase | Self::NoQuorum => Some(500),
            Self::Unfit => Some(1000),
            Self::Malformed
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Unknown
            | Self::MethodNotAllowed
            | Self::StaleEpoch
            | Self::Paused
            | Self::Refused
            | Self::TooLarge
            | Self::UnsupportedMedia
            | Self::Invalid
            | Self::Internal
            | Self::Uncertain => None,
        }
    }
}
