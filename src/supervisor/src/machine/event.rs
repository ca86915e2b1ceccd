//! What goes in and what comes out.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::{
    AgentReport, Command, LeaseGrant, NodeId, OperationId, Order, Reply, RouteTable, RouterReport, State, UnixMillis,
    VoterView,
};
use quorate_planner::Violation;

use super::{Asked, Denied, Done, RequestId};

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Raft applied something: the agreed state now.
    Applied(Arc<State>),
    /// This supervisor began or ceased to lead. Sent with `leading` only after every entry of earlier terms was applied,
    /// so that a new leader never plans on a state that lacks a command already in its log.
    Leadership {
        /// Whether it leads.
        leading: bool,
        /// The Raft term.
        term: u64,
    },
    /// A quorum acknowledged this leader `age` ago.
    QuorumAcked {
        /// How long ago the acknowledged heartbeat was sent.
        age: Duration,
    },
    /// An agent's link stands (again).
    AgentConnected {
        /// Its node.
        node: NodeId,
    },
    /// An agent's link ended.
    AgentDisconnected {
        /// Its node.
        node: NodeId,
        /// By a reset or an end of file rather than by silence.
        reset: bool,
    },
    /// An agent reports.
    Report(Box<AgentReport>),
    /// A router reports.
    RouterReport(RouterReport),
    /// Another supervisor says what it sees.
    VoterView(VoterView),
    /// A proposal ended.
    ProposalDone {
        /// The command's key.
        key: OperationId,
        /// How.
        outcome: ProposalOutcome,
    },
    /// An operator asks for something.
    Request(Asked),
    /// Time passed; every 20 to 50 ms.
    Tick {
        /// Wall time, for audit.
        unix: UnixMillis,
    },
}

/// How a proposal ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposalOutcome {
    /// Committed and applied; the state machine's answer.
    Replied(Reply),
    /// It never entered the log; it may be proposed again.
    NotProposed(String),
    /// It may be in the log. Reported only when this leader's term ends; the next term settles it.
    Unknown(String),
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Propose to Raft; its end comes back as [`Event::ProposalDone`].
    Propose(Command),
    /// Send to an agent; a newer order replaces one that is still queued.
    Send {
        /// Its node.
        node: NodeId,
        /// The order.
        order: Order,
    },
    /// Lease to an agent; a newer grant replaces one that is still queued.
    Grant {
        /// Its node.
        node: NodeId,
        /// The grant.
        grant: LeaseGrant,
    },
    /// Send to every router; a newer table replaces one that is still queued.
    Routes(RouteTable),
    /// Send to every other supervisor.
    View(VoterView),
    /// Answer an operator.
    Answer {
        /// Which request.
        request: RequestId,
        /// The answer.
        answer: Result<Done, Denied>,
    },
    /// The audit stopped a plan: a defect of this program. Sent when the findings change.
    Alarm(Vec<Violation>),
}
