//! What can happen at a point in time.

use quorate_agent::machine as agent;
use quorate_model::{LeaseGrant, Order, RouteTable, RouterReport, State, VoterView};
use quorate_router::machine as router;
use quorate_supervisor::machine as supervisor;

use super::clock::Micros;
use super::faults::Fault;

/// Something that happens. Indices name the machine, lives and generations tell a late event from a present one.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// The agent process of a node starts.
    AgentStart {
        node: usize,
    },
    /// Something comes to an agent from its own machine.
    Agent {
        node: usize,
        life: u32,
        event: Box<agent::Event>,
    },
    AgentWake {
        node: usize,
        life: u32,
    },
    AgentObserve {
        node: usize,
        life: u32,
    },
    AgentPersisted {
        node: usize,
        life: u32,
        durable: agent::Durable,
    },
    Step {
        node: usize,
        life: u32,
        boot: u64,
        id: u64,
        step: agent::Step,
    },
    Probe {
        node: usize,
        life: u32,
        probe: agent::Probe,
    },
    ServerUp {
        node: usize,
        boot: u64,
    },
    ServerDies {
        node: usize,
        boot: u64,
        exit: &'static str,
    },
    FreezeEnds {
        node: usize,
        boot: u64,
        step: u64,
    },
    Apply {
        node: usize,
        boot: u64,
    },
    /// A replica's receiving thread tries to connect.
    Attach {
        node: usize,
        boot: u64,
    },
    /// Time to move data over a replication stream.
    Stream {
        node: usize,
        stream: u64,
    },
    StreamBroken {
        node: usize,
        stream: u64,
    },
    /// The primary's side of a tunnel learns that it ended.
    TunnelClosed {
        primary: usize,
        replica: usize,
        stream: u64,
    },
    Ack {
        primary: usize,
        boot: u64,
        replica: usize,
        stream: u64,
        seq: u64,
    },
    /// A question or an answer between two agents.
    Failsafe {
        from: usize,
        to: usize,
        tries: u8,
        event: Box<agent::Event>,
    },
    SupervisorStart {
        supervisor: usize,
    },
    Supervisor {
        supervisor: usize,
        life: u32,
        event: Box<supervisor::Event>,
    },
    SupervisorTick {
        supervisor: usize,
        life: u32,
    },
    View {
        from: usize,
        to: usize,
        view: Box<VoterView>,
    },
    RouterStart {
        router: usize,
    },
    Router {
        router: usize,
        life: u32,
        event: Box<router::Event>,
    },
    RouterTick {
        router: usize,
        life: u32,
    },
    RouterPersisted {
        router: usize,
        life: u32,
        table: Box<RouteTable>,
    },
    /// A link dials, moves its messages, or breaks.
    Dial {
        link: usize,
    },
    Pump {
        link: usize,
        life: u64,
        up: bool,
    },
    RaftBeat,
    RaftAcked {
        term: u64,
        sent: Micros,
    },
    RaftCommit {
        term: u64,
    },
    RaftApply {
        supervisor: usize,
        life: u32,
        upto: usize,
    },
    RaftLead {
        supervisor: usize,
        life: u32,
        term: u64,
    },
    RaftStepDown {
        supervisor: usize,
        life: u32,
        term: u64,
    },
    Client {
        client: usize,
        turn: u64,
    },
    ClientConnect {
        client: usize,
        turn: u64,
        node: usize,
        epoch: u64,
    },
    ClientArrives {
        client: usize,
        session: u64,
        write: Option<u64>,
        tries: u8,
    },
    ClientAnswered {
        client: usize,
        session: u64,
        write: Option<u64>,
        answer: Answer,
        tries: u8,
    },
    ClientTimeout {
        client: usize,
        turn: u64,
    },
    Fault(Fault),
    /// Faults end; what they broke is repaired.
    Heal,
    Unpause {
        host: usize,
        nonce: u64,
    },
    ThawServer {
        node: usize,
        nonce: u64,
    },
    Check,
}

/// What a server answered a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Committed, as this transaction.
    Ok { seq: u64, uid: u64 },
    /// The last transaction seen by a read.
    Rows { seq: u64 },
    /// Refused: certainly not done.
    Refused,
}

/// What goes over a link from an agent or a router to a supervisor.
#[derive(Debug, Clone)]
pub(crate) enum Upward {
    Report(Box<quorate_model::AgentReport>),
    Router(RouterReport),
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Downward {
    Order(Order),
    Lease(LeaseGrant),
    Routes(RouteTable),
}

/// The agreed state, shared.
pub(crate) type Agreed = std::sync::Arc<State>;
