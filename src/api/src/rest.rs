//! The REST API's types: what an operator reads and asks for.
//!
//! These are the wire's own types. They change only in ways that old clients survive (fields are added, never renamed), whatever
//! happens to the model. [`ErrorCode`] is the closed set of reasons for a refusal. The OpenAPI document at `/openapi.json` is
//! generated from them.

mod action;
mod doctor;
mod epoch;
mod error;
mod event;
mod explain;
mod raft;
mod route;
mod status;
mod token;

pub use action::{ActionReply, ReasonRequest, SwitchoverPlan, SwitchoverRequest, TransferRequest};
pub use doctor::{DoctorView, FindingView, NodeFindings, SeverityView};
pub use epoch::{EpochList, EpochView, EvidenceView};
pub use error::{ErrorBody, ErrorCode};
pub use event::{EventPage, EventQuery, EventView};
pub use explain::{ExplainView, ReasonView, ViolationView};
pub use raft::{MemberRole, MemberView, RaftView};
pub use route::{EndpointView, RouteView};
pub use status::{
    ClusterStatus, ForecastView, HeldBackView, NodeRoleView, NodeStateView, NodeStatus, PauseView, PhaseView,
    RouterStatus, StatusView, SupervisorStatus,
};
pub use token::{AccessRole, TokenError, TokenRecord, Tokens, token_hash};
