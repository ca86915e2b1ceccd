//! What an agent says about its node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Epoch, Finding, Gtid, GtidSet, Incarnation, NodeId, RouterId};

/// One agent's view of its node, sent at an interval and at once when something changed.
///
/// It is level-triggered: it says what *is*, so a lost report costs time only. Facts are never older than the
/// progress that they stand beside: positions in a report with [`Progress::Revoked`] were read after the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// Whose node.
    pub node: NodeId,
    /// Which data directory.
    pub incarnation: Incarnation,
    /// The `server_id` in use.
    pub server_id: u32,
    /// Changes at every start of the server.
    pub boot_nonce: u64,
    /// Number of this report, echoed in [`crate::LeaseGrant`].
    pub seq: u64,
    /// Highest epoch promised, on disk.
    pub promised: Epoch,
    /// Highest epoch under which this node is known harmless: no client door and no primary role of a lower epoch.
    pub fenced: Epoch,
    /// What the door admits.
    pub door: DoorState,
    /// Replicas whose acknowledgements the door passes on; empty unless primary. A node that was taken out is missing here
    /// only beside facts that were read after it was cut: `binlog_pos` then bounds everything it acknowledged.
    pub ackable: BTreeSet<NodeId>,
    /// Routers that the door admits; empty unless serving.
    pub admitted: BTreeSet<RouterId>,
    /// The server process.
    pub server: ServerState,
    /// [`crate::Order::index`] of the last accepted order of the promised epoch; 0 if there is none. A node is out of the ack set for
    /// good only when the order that shuts it out was taken: one that let it in may still be on its way.
    #[serde(default)]
    pub order_index: u64,
    /// How far the last order is.
    pub progress: Progress,
    /// Whether everything received since it joined the ack set is still there (no restart, or salvaged).
    pub vouch: bool,
    /// Initialised and never written or replicated to.
    pub pristine: bool,
    /// Time since the last byte from the primary, or since the received position moved; none if no stream is open.
    pub source_silence: Option<Duration>,
    /// The write probes.
    pub probes: ProbeFacts,
    /// On whose authority clients are served.
    pub lease: LeaseKind,
    /// After a death of the server while primary: the end of its binlog, read from the file before any restart.
    pub final_binlog: Option<GtidSet>,
    /// A planned stop was asked for (SIGTERM): hand the role over first.
    pub wants_handover: bool,
    /// What `doctor` found.
    pub findings: Vec<Finding>,
    /// Settings that must be the same on every node ([`crate::ALIKE`]), by name; none until they were read.
    #[serde(default)]
    pub alike: BTreeMap<String, String>,
}

/// What the door admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DoorState {
    /// Nothing.
    Closed,
    /// Replicas, under this epoch.
    Replicas {
        /// The epoch.
        epoch: Epoch,
    },
    /// Replicas and clients, under this epoch.
    Open {
        /// The epoch.
        epoch: Epoch,
    },
    /// Read-only clients of a replica.
    ReadOnly {
        /// The epoch.
        epoch: Epoch,
    },
}

/// The server process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ServerState {
    /// Not running; why it ended, if it ran.
    Down {
        /// For people, for example `killed by signal 9`.
        exit: Option<String>,
    },
    /// Started, not answering yet (crash recovery, salvage).
    Starting,
    /// Running; its last answer.
    Running {
        /// The last answer.
        facts: ServerFacts,
        /// How old that answer is. Grows when the server hangs.
        age: Duration,
    },
}

/// What a server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// `gtid_binlog_pos`.
    pub binlog_pos: GtidSet,
    /// `gtid_binlog_state`.
    pub binlog_state: GtidSet,
    /// Applied: `gtid_slave_pos`, or the binlog position where that is further.
    pub applied: GtidSet,
    /// Received: `Gtid_IO_Pos` where a replication stream ran since the start, else `applied`.
    pub received: GtidSet,
    /// `read_only`.
    pub read_only: bool,
    /// `rpl_semi_sync_master_enabled` and its status ON.
    pub semi_sync_armed: bool,
    /// `Rpl_semi_sync_master_no_tx`: commits acknowledged by no replica. Any rise is an incident.
    pub unprotected_commits: u64,
    /// `Rpl_semi_sync_master_wait_sessions`.
    pub waiting_commits: u64,
    /// The receiving thread.
    pub io: IoThread,
    /// Whether the applier runs.
    pub applier: bool,
    /// Last replication error, if any.
    pub replication_error: Option<String>,
    /// Age of the newest heartbeat row applied; milliseconds.
    pub lag_ms: Option<u64>,
}

/// State of the receiving thread. Only `No` is stopped: `Connecting` may still attach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IoThread {
    /// Stopped.
    #[default]
    No,
    /// Retrying.
    Connecting,
    /// Streaming.
    Yes,
}

/// How far the last order is. Each names the epoch it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Progress {
    /// No order yet.
    Idle,
    /// Working on an order.
    Busy {
        /// The epoch.
        epoch: Epoch,
        /// What is going on, for people.
        doing: String,
    },
    /// Cannot carry out the order; it keeps trying.
    Stuck {
        /// The epoch.
        epoch: Epoch,
        /// Why, for people.
        why: String,
    },
    /// Receives nothing under any lower epoch; positions are final.
    Revoked {
        /// The epoch.
        epoch: Epoch,
    },
    /// Commits are frozen at this position; no client is served.
    Frozen {
        /// The epoch to come.
        epoch: Epoch,
        /// Everything that was ever acknowledged is at or before it.
        position: GtidSet,
    },
    /// Replicates from the primary of the epoch.
    Following {
        /// The epoch.
        epoch: Epoch,
        /// The primary.
        source: NodeId,
    },
    /// Drained, armed, and the epoch row was acknowledged by another node.
    Ready {
        /// The epoch.
        epoch: Epoch,
        /// GTID of the epoch row.
        barrier: Gtid,
    },
    /// Open for writes.
    Serving {
        /// The epoch.
        epoch: Epoch,
    },
}

/// The write probes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// How long the unlogged local write has been failing or hanging; zero when it works.
    pub disk_stalled: Duration,
    /// How long the replicated heartbeat write has been hanging; zero when it works or is not due.
    pub commit_stuck: Duration,
}

/// On whose authority clients are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseKind {
    /// Nobody's: the door is closed to clients.
    #[default]
    None,
    /// The supervisors'.
    Supervisors,
    /// One ack-set member's, while the supervisors are silent.
    Failsafe,
}
