//! `POST`: what operators ask for. Each is committed in Raft with who and why before it is answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::rest::{
    ActionReply, ErrorBody, ErrorCode, ReasonRequest, SwitchoverPlan, SwitchoverRequest, TransferRequest,
};
use quorate_model::{Epoch, NodeId};
use quorate_raft::MemberError;

use super::auth::{Admin, Operator};
use super::error::ApiError;
use super::extract::Body;
use super::server::Api;
use crate::machine::{Done, Request};

/// Longest reason that is kept.
const WHY_MAX: usize = 500;

type Answer = Result<(StatusCode, Json<ActionReply>), ApiError>;

/// Hand the primary role over.
///
/// The switchover is begun when this returns; it is done when the epoch in the answer is open.
#[utoipa::path(post, path = "/v1/switchover", tag = "act", security(("bearer" = [])), request_body = SwitchoverRequest, responses(
    (status = 200, body = ActionReply, description = "Dry run"), (status = 202, body = ActionReply),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody), (status = 421, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn switchover(
    caller: Operator,
    State(api): State<Arc<Api>>,
    Body(asked): Body<SwitchoverRequest>,
) -> Answer {
    api.must_know(asked.cluster.as_deref())?;
    let request = Request::Switchover {
        to: asked.to.map(NodeId::new),
        why: reason(asked.why)?,
        epoch: asked.epoch.map(Epoch),
        dry_run: asked.dry_run,
    };
    answer(api.ask(caller.name, request).await?)
}

/// Take no automatic action from now on. Leases and fences go on.
#[utoipa::path(post, path = "/v1/pause", tag = "act", security(("bearer" = [])), request_body = ReasonRequest, responses(
    (status = 202, body = ActionReply), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 409, body = ErrorBody), (status = 421, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn pause(caller: Operator, State(api): State<Arc<Api>>, Body(asked): Body<ReasonRequest>) -> Answer {
    api.must_know(asked.cluster.as_deref())?;
    answer(
        api.ask(
            caller.name,
            Request::Pause {
                why: reason(asked.why)?,
            },
        )
        .await?,
    )
}

/// Act automatically again.
#[utoipa::path(post, path = "/v1/resume", tag = "act", security(("bearer" = [])), request_body = ReasonRequest, responses(
    (status = 202, body = ActionReply), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 409, body = ErrorBody), (status = 421, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn resume(caller: Operator, State(api): State<Arc<Api>>, Body(asked): Body<ReasonRequest>) -> Answer {
    api.must_know(asked.cluster.as_deref())?;
    answer(
        api.ask(
            caller.name,
            Request::Resume {
                why: reason(asked.why)?,
            },
        )
        .await?,
    )
}

/// Hand Raft leadership to another supervisor.
#[utoipa::path(post, path = "/v1/raft/transfer", tag = "act", security(("bearer" = [])), request_body = TransferRequest, responses(
    (status = 202, body = ActionReply), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 421, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(super) async fn transfer(caller: Admin, State(api): State<Arc<Api>>, Body(asked): Body<TransferRequest>) -> Answer {
    api.must_lead()?;
    let members = api.node.members();
    let target = members
        .iter()
        .find(|(_, member, votes)| member.name == asked.to && *votes);
    let (id, _, _) = target.ok_or_else(|| ApiError::unknown("voting supervisor", &asked.to))?;
    let what = format!("Raft leadership handed to {}", asked.to);
    let noted = api
        .ask(
            caller.name,
            Request::Note {
                what,
                why: reason(asked.why)?,
            },
        )
        .await?;
    api.node.transfer_leadership(*id).await.map_err(|error| match error {
        MemberError::Timeout(_) => ApiError::new(ErrorCode::Uncertain, error.to_string(), "look at /v1/raft"),
        _ => ApiError::new(ErrorCode::Refused, error.to_string(), "look at /v1/raft"),
    })?;
    answer(noted)
}

fn reason(why: String) -> Result<String, ApiError> {
    let hint = "`why` stands in the audit trail";
    if why.trim().is_empty() {
        return Err(ApiError::new(
            ErrorCode::Invalid,
            "`why` is empty",
            format!("say why; {hint}"),
        ));
    }
    if why.len() > WHY_MAX {
        return Err(ApiError::new(
            ErrorCode::Invalid,
            format!("`why` is longer than {WHY_MAX} bytes"),
            hint,
        ));
    }
    Ok(why)
}

fn answer(done: Done) -> Answer {
    Ok(match done {
        Done::Committed {
            operation,
            epoch,
            index,
        } => {
            let reply = ActionReply {
                committed: true,
                operation: Some(operation.to_string()),
                epoch: epoch.0,
                index: Some(index),
                plan: None,
            };
            (StatusCode::ACCEPTED, Json(reply))
        }
        Done::Preview(preview) => {
            let plan = SwitchoverPlan {
                from: preview.from.to_string(),
                to: preview.to.to_string(),
                backlog: preview.backlog,
                freeze_limit_ms: u64::try_from(preview.freeze_limit.as_millis()).unwrap_or(u64::MAX),
            };
            let reply = ActionReply {
                committed: false,
                operation: None,
                epoch: preview.epoch.0,
                index: None,
                plan: Some(plan),
            };
            (StatusCode::OK, Json(reply))
        }
    })
}
