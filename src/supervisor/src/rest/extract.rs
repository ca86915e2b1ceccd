//! Bodies, paths and queries, with refusals in our words.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::StatusCode;
use quorate_api::rest::ErrorCode;

use super::error::ApiError;

/// A JSON body.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(super) struct Body<T>(pub(super) T);

/// Path parameters.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(super) struct Path<T>(pub(super) T);

/// Query parameters.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(super) struct Query<T>(pub(super) T);

const READ_THE_DOCUMENT: &str = "see /openapi.json";

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let text = rejection.body_text();
        match rejection {
            JsonRejection::JsonDataError(_) => Self::new(ErrorCode::Invalid, text, READ_THE_DOCUMENT),
            JsonRejection::JsonSyntaxError(_) => Self::new(ErrorCode::Malformed, text, "send JSON"),
            JsonRejection::MissingJsonContentType(_) => Self::new(
                ErrorCode::UnsupportedMedia,
                text,
                "send `Content-Type: application/json`",
            ),
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                ErrorCode::TooLarge,
                "the body is too large",
                "no request needs more than 64 KiB",
            ),
            _ => Self::new(ErrorCode::Malformed, text, READ_THE_DOCUMENT),
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(ErrorCode::Malformed, rejection.body_text(), READ_THE_DOCUMENT)
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(ErrorCode::Malformed, rejection.body_text(), READ_THE_DOCUMENT)
    }
}
