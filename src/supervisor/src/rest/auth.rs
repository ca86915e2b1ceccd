//! Who asks, and what they may.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use quorate_api::rest::{AccessRole, ErrorCode, TokenError, Tokens};

use super::error::ApiError;
use super::server::Api;

/// The known tokens, replaceable while the API runs.
#[derive(Debug)]
pub(crate) struct Keys {
    path: PathBuf,
    tokens: ArcSwap<Tokens>,
}

impl Keys {
    pub(crate) fn load(path: PathBuf) -> Result<Self, TokenError> {
        let tokens = ArcSwap::from_pointee(Tokens::load(&path)?);
        Ok(Self { path, tokens })
    }

    /// Reads the file again; the old tokens stay on an error.
    pub(crate) fn reload(&self) -> Result<(), TokenError> {
        self.tokens.store(Arc::new(Tokens::load(&self.path)?));
        Ok(())
    }
}

/// An authenticated caller who may do at least what the type says.
#[derive(Debug, Clone)]
pub(super) struct Caller<const ROLE: u8> {
    /// The token's name.
    pub(super) name: String,
}

/// May read.
pub(super) type Viewer = Caller<0>;
/// May switch over, pause and resume.
pub(super) type Operator = Caller<1>;
/// May change the supervisors themselves.
pub(super) type Admin = Caller<2>;

impl<const ROLE: u8> FromRequestParts<Arc<Api>> for Caller<ROLE> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let unauthenticated = |message: &str| {
            ApiError::new(
                ErrorCode::Unauthenticated,
                message,
                "send `Authorization: Bearer TOKEN` with a token from the tokens file",
            )
        };
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or_else(|| unauthenticated("a token is needed"))?;
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| unauthenticated("the Authorization header is not `Bearer TOKEN`"))?;
        let tokens = api.keys.tokens.load();
        let record = tokens
            .find(token.trim())
            .ok_or_else(|| unauthenticated("the token is not known"))?;
        let needed = [AccessRole::Viewer, AccessRole::Operator, AccessRole::Admin][usize::from(ROLE.min(2))];
        if record.role < needed {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                format!(
                    "`{}` has the role {}, this needs {}",
                    record.name,
                    word(record.role),
                    word(needed)
                ),
                "use a token with that role",
            ));
        }
        Ok(Self {
            name: record.name.clone(),
        })
    }
}

const fn word(role: AccessRole) -> &'static str {
    match role {
        AccessRole::Viewer => "viewer",
        AccessRole::Operator => "operator",
        AccessRole::Admin => "admin",
    }
}
