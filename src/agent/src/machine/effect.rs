//! What goes out of the machine.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_model::{AgentReport, DoorState, Epoch, GtidSet, NodeId, OperationId, RouterId};

use super::Durable;

/// Something to do. Effects of one call are carried out in their order; none is waited for: what comes of it is an
/// [`super::Event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write and sync this, then give [`super::Event::Persisted`]. A later one replaces an earlier one.
    Persist(Durable),
    /// Start the server behind the boot gate: read-only, replication stopped, semi-sync master off, events off,
    /// `init-rpl-role=SLAVE`.
    Start {
        /// Number of this start; the report's `boot_nonce`.
        boot: u64,
    },
    /// SIGKILL the server of this boot. [`super::Event::ServerExited`] follows when it is reaped.
    Kill {
        /// Which start.
        boot: u64,
    },
    /// Work on the server. At most one step is under way; [`super::Event::StepDone`] follows.
    Step {
        /// Number of the step.
        id: u64,
        /// What to do.
        step: Step,
    },
    /// Give the step up between two statements; its [`super::Event::StepDone`] still follows.
    CancelStep {
        /// Which.
        id: u64,
    },
    /// What the door admits from now on. Connections that it does not admit any more are cut, before anything later.
    Door(Door),
    /// Where the local server's receiving thread is taken; none cuts what stands and refuses at once.
    Relay(Option<Target>),
    /// Send this to every supervisor.
    Report(Box<AgentReport>),
    /// Ask every connected member of the ack set for a failsafe lease, or give it back.
    AskFailsafe {
        /// Our epoch.
        epoch: Epoch,
        /// Number of the question.
        seq: u64,
        /// Give back instead of ask.
        release: bool,
    },
    /// Answer a primary's [`super::Event::FailsafeAsked`].
    AnswerFailsafe {
        /// Who asked.
        to: NodeId,
        /// Its epoch.
        epoch: Epoch,
        /// Its question.
        seq: u64,
        /// For how long; zero refuses.
        ttl: Duration,
    },
    /// Write a probe; [`super::Event::ProbeDone`] follows.
    Probe(Probe),
    /// End the process; the server is dead.
    Exit,
}

/// What the door admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Who is admitted.
    pub state: DoorState,
    /// Replicas whose acknowledgements pass.
    pub ackable: BTreeSet<NodeId>,
    /// Routers that are admitted as clients.
    pub admitted: BTreeSet<RouterId>,
}

impl Door {
    /// Nobody.
    #[must_use]
    pub const fn closed() -> Self {
        Self {
            state: DoorState::Closed,
            ackable: BTreeSet::new(),
            admitted: BTreeSet::new(),
        }
    }
}

/// The primary that a replica is fed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Under which epoch.
    pub epoch: Epoch,
    /// The primary.
    pub node: NodeId,
    /// `host:port` of its door.
    pub door: String,
}

/// Work on the running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Apply what an earlier run of the server received and did not apply, before replication may start.
    Salvage,
    /// Stop the receiving thread and see it in state No, the applier going on. The relay was cut before.
    /// The facts of [`super::StepResult::Done`] are read after that: final positions.
    StopReceiving,
    /// Wait until this was applied.
    Drain {
        /// What was received.
        received: GtidSet,
    },
    /// Replicate from the relay. Everything received was applied. Turns a former primary into a replica.
    Attach {
        /// Under which epoch, for the log.
        epoch: Epoch,
    },
    /// Stop replication for good and switch semi-sync on, still read-only.
    Arm,
    /// Write the epoch row as a transaction, and wait for its acknowledgement for as long as it takes.
    WriteEpoch {
        /// The epoch.
        epoch: Epoch,
        /// The operation that caused it.
        operation: OperationId,
    },
    /// Allow writes, and events.
    Unlock,
    /// Freeze commits, or fail within `limit`.
    Freeze {
        /// Longest wait.
        limit: Duration,
    },
    /// End a freeze.
    Thaw,
}

/// The write probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// A local write that is not replicated: the disk.
    Disk,
    /// A replicated heartbeat row: the whole commit path. Only while this server is an armed primary.
    Commit {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A replicated row on a session of its own, while commits hang though replicas may be there: an acknowledgement that was lost
    /// with its connection is never given again, and only that of a later row covers it.
    Nudge {
        /// The primary's epoch.
        epoch: Epoch,
        /// Which of several that may hang at once; each has its own row.
        number: u8,
    },
}
