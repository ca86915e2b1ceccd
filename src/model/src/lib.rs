//! What the words mean.
//!
//! Everything here is data: what is wanted ([`ClusterSpec`]), what was seen ([`Observations`]), what was
//! agreed ([`State`], changed only by [`Command`]s that Raft has committed), what shall be done ([`Plan`],
//! [`Order`], [`RouteTable`]). There is no IO, no clock, no randomness and no hash order in this crate, so that
//! the planner, the simulation and the replicated state machine give the same answer everywhere.
//!
//! ```text
//!   ClusterSpec ─┐
//!   Observations ┼─► planner::plan ─► Plan { changes, orders, routes, lease, reasons, held_back }
//!   State ───────┘                      │ changes
//!      ▲                                ▼
//!      └──────── State::apply ◄──── Command (Raft)
//! ```
//!
//! Start with [`State`], then [`Order`] and [`AgentReport`].

mod alike;
mod apply;
mod command;
mod epoch;
mod finding;
mod gtid;
mod id;
mod moment;
mod observations;
mod order;
mod plan;
mod report;
mod route;
mod spec;
mod state;
mod timeline;

pub use alike::{ALIKE, Alike, differing};
pub use command::{Cause, Change, Command, Evidence, Refusal, Reply};
pub use epoch::Epoch;
pub use finding::{Finding, Severity};
pub use gtid::{Gtid, GtidSet, ParseGtidError};
pub use id::{ClusterId, Incarnation, NodeId, OperationId, RouterId, SupervisorId};
pub use moment::{Moment, UnixMillis};
pub use observations::{Link, Observations, Seen, VoterView};
pub use order::{LeaseGrant, Order, Task};
pub use plan::{Forecast, HeldBack, NodeRole, NodeState, NodeVerdict, Plan, Reason};
pub use report::{AgentReport, DoorState, IoThread, LeaseKind, ProbeFacts, Progress, ServerFacts, ServerState};
pub use route::{Endpoint, RouteTable, RouterReport};
pub use spec::{ClusterSpec, EmptyAckSet, NodeSpec, Policy, ReadFence};
pub use state::{EpochRecord, HISTORY_MAX, JOURNAL_MAX, JournalEntry, NodeRecord, Operation, Pause, Phase, State};
pub use timeline::{Term, Timeline};
