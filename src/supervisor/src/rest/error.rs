//! Refusals on the wire.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quorate_api::rest::{ErrorBody, ErrorCode};
use quorate_model::Phase;

use crate::machine::Denied;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError(ErrorBody);

impl ApiError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(ErrorBody {
            code,
            message: message.into(),
            hint: hint.into(),
            retry_after_ms: code.retry_after_ms(),
            leader_api: None,
        })
    }

    pub(super) fn unknown(what: &str, name: &str) -> Self {
        Self::new(
            ErrorCode::Unknown,
            format!("there is no {what} `{name}`"),
            "`quorate status` lists what there is",
        )
    }

    pub(super) fn not_leader(leader: Option<(String, String)>) -> Self {
        let Some((name, api)) = leader else {
            return Self::new(
                ErrorCode::NoQuorum,
                "no supervisor leads at the moment",
                "try again; if it lasts, see that a majority of the supervisors runs",
            );
        };
        let mut error = Self::new(
            ErrorCode::NotLeader,
            "this supervisor does not lead",
            format!("ask {name} at {api}"),
        );
        error.0.leader_api = Some(api);
        error
    }

    /// The machine's refusal; `leader` names who leads now.
    pub(super) fn denied(denied: Denied, leader: Option<(String, String)>) -> Self {
        match denied {
            Denied::NotLeader => Self::not_leader(leader),
            Denied::NoQuorum => Self::new(
                ErrorCode::NoQuorum,
                "no quorum of supervisors answers",
                "writes go on meanwhile; bring supervisors back, then try again",
            ),
            Denied::LeadershipLost => Self::new(
                ErrorCode::Uncertain,
                "leadership ended while the change was under way",
                "look at the events whether it was committed before you repeat it",
            ),
            Denied::Paused { by, why } => Self::new(
                ErrorCode::Paused,
                format!("automatic action is paused by {by}: {why}"),
                "resume first",
            ),
            Denied::NotOpen { phase } => Self::new(
                ErrorCode::WrongPhase,
                format!("a change of primary is under way ({})", word(phase)),
                "wait until the epoch is open; `quorate explain` says what it waits for",
            ),
            Denied::StaleEpoch { current } => Self::new(
                ErrorCode::StaleEpoch,
                format!("epoch {current} is the present one, not the one in the request"),
                "look at the status and decide again",
            ),
            Denied::UnknownNode { node } => Self::unknown("node", node.as_str()),
            Denied::Unfit { why, hint } => Self::new(ErrorCode::Unfit, why, hint),
            Denied::Refused { why } => Self::new(ErrorCode::Refused, why, "look at the status"),
            Denied::NotCommitted { why } => Self::new(ErrorCode::NoQuorum, why, "try again"),
            Denied::Busy => Self::new(ErrorCode::Busy, "too many requests wait", "try again"),
            Denied::Defect => Self::new(
                ErrorCode::Internal,
                "the audit stopped the planner: a defect of this program",
                "`quorate explain` shows it; please report it",
            ),
        }
    }

    pub(super) fn stopping() -> Self {
        Self::new(ErrorCode::NoQuorum, "this supervisor is stopping", "ask another one")
    }

    pub(super) fn timeout() -> Self {
        Self::new(ErrorCode::Timeout, "not done in time", "try again")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.0.retry_after_ms.map(|millis| millis.div_ceil(1000));
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Forming => "forming",
        Phase::Revoking => "revoking",
        Phase::Elected => "elected",
        Phase::Open => "open",
    }
}
