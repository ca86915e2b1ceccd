//! What is checked: the truth about a run, as only someone outside of it can know it.
//!
//! The simulation and the real-server runs fill it. A run that cannot know a part leaves it empty; the checks over that
//! part then hold trivially, so each run says in its report which parts it filled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_model::{
    Change, DoorState, Epoch, GtidSet, Moment, NodeId, Observations, Order, Phase, Plan, RouterId, State,
};

/// A client's write, unique in the run.
pub type Row = u64;

/// The truth about a run. `at` is always true time, whatever the clocks of the parts show.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The latest agreed state.
    pub agreed: State,
    /// Each node now.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The ack set of each epoch, as last committed.
    pub ack_sets: BTreeMap<Epoch, BTreeSet<NodeId>>,
    /// Committed changes that took effect, in the order of the log.
    pub decisions: Vec<Decision>,
    /// Elections, with what the elected node really held.
    pub elections: Vec<Election>,
    /// Openings, with what the primary really held.
    pub openings: Vec<Opening>,
    /// Promises, each when it was safe on disk, in order.
    pub promises: Vec<(NodeId, Epoch)>,
    /// Orders that agents carried out.
    pub acts: Vec<Act>,
    /// Writes that a client was told are committed.
    pub writes: Vec<Write>,
    /// When a node could no longer acknowledge anything below an epoch.
    pub revocations: Vec<Revocation>,
    /// Reads through routers.
    pub reads: Vec<Read>,
    /// Leases, the failsafe ones too.
    pub leases: Vec<Lease>,
    /// Starts of servers.
    pub boots: Vec<Boot>,
    /// Events that were received, not applied, and thrown away.
    pub discards: Vec<Discard>,
    /// Live servers whose waiting commits were ended otherwise than by an acknowledgement.
    pub releases: Vec<Release>,
    /// Plans that were carried out, with their inputs.
    pub plans: Vec<Planned>,
    /// How the run ended, once all faults were taken away.
    pub ending: Option<Ending>,
}

/// A node now.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its promise on disk.
    pub promised: Epoch,
    /// The epoch in which its server has the primary role, if it has.
    pub primary: Option<Epoch>,
    /// Whether the server takes writes of clients.
    pub writable: bool,
    /// Whether commits wait for an acknowledgement.
    pub semi_sync: bool,
    /// Nodes whose acknowledgement would reach its server now.
    pub ackers: BTreeSet<NodeId>,
    /// What its door admits.
    pub door: DoorState,
    /// Whether the lease of its door holds now.
    pub leased: bool,
}

impl Default for Node {
    /// A node that is down.
    fn default() -> Self {
        Self {
            promised: Epoch::ZERO,
            primary: None,
            writable: false,
            semi_sync: true,
            ackers: BTreeSet::new(),
            door: DoorState::Closed,
            leased: false,
        }
    }
}

/// A committed change that took effect.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Its log index.
    pub index: u64,
    /// Who asked: `planner` or a person.
    pub by: String,
    /// Whether the cluster was paused before it.
    pub paused: bool,
    /// The change.
    pub change: Change,
}

/// An election.
#[derive(Debug, Clone)]
pub struct Election {
    /// The epoch.
    pub epoch: Epoch,
    /// Who.
    pub node: NodeId,
    /// What was required of the primary before it.
    pub required_before: GtidSet,
    /// What the elected node said it holds.
    pub position: GtidSet,
    /// The acknowledged writes that it really held, received or applied.
    pub holds: BTreeSet<Row>,
    /// The writes that were acknowledged to clients by then.
    pub acknowledged: BTreeSet<Row>,
}

/// An opening.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The epoch.
    pub epoch: Epoch,
    /// On which node.
    pub node: NodeId,
    /// When.
    pub at: Moment,
    /// Whether another node held the epoch row.
    pub row_acknowledged: bool,
    /// The writes that its server really held.
    pub holds: BTreeSet<Row>,
}

/// An order that an agent acted on.
#[derive(Debug, Clone)]
pub struct Act {
    /// Whose agent.
    pub node: NodeId,
    /// What it was told.
    pub order: Order,
    /// Its promise before.
    pub promised: Epoch,
    /// Whether the node was, and did already, what the order says.
    pub was_so: bool,
    /// Whether anything changed: promise, server, door or relay.
    pub changed: bool,
}

/// A write that a client was told is committed.
#[derive(Debug, Clone)]
pub struct Write {
    /// Which.
    pub row: Row,
    /// In which epoch.
    pub epoch: Epoch,
    /// By which primary.
    pub node: NodeId,
    /// When it was told.
    pub at: Moment,
    /// Other nodes that held it then.
    pub held_by: BTreeSet<NodeId>,
    /// Whether the declared policy allowed commits without acknowledgement then.
    pub unprotected: bool,
}

/// From here on a node can acknowledge nothing below the epoch.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// Who.
    pub node: NodeId,
    /// For which epoch.
    pub epoch: Epoch,
    /// When its stream was cut.
    pub at: Moment,
}

/// A read through a router, of a connection of `epoch`.
#[derive(Debug, Clone)]
pub struct Read {
    /// Through which router.
    pub router: RouterId,
    /// Of which epoch its connection was.
    pub epoch: Epoch,
    /// When it started at the server.
    pub at: Moment,
}

/// A lease.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Whose.
    pub node: NodeId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// When the holder's door closed or would have closed by it.
    pub holder_end: Moment,
    /// When the grantor, or whoever took over from it, counts it as ended.
    pub grantor_end: Moment,
}

/// A start of a server.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Whose.
    pub node: NodeId,
    /// Whether it came up read-only.
    pub read_only: bool,
    /// Whether a replication thread ran.
    pub replicating: bool,
    /// Whether semi-sync was armed.
    pub armed: bool,
    /// Whether the door was closed.
    pub door_closed: bool,
}

/// Received, not applied, thrown away.
#[derive(Debug, Clone)]
pub struct Discard {
    /// By whom.
    pub node: NodeId,
    /// Acknowledged writes among it.
    pub rows: BTreeSet<Row>,
    /// What the elected primary or another vouching member of the ack set held then.
    pub covered: BTreeSet<Row>,
}

/// A live server whose waiting commits were ended otherwise than by an acknowledgement or by SIGKILL.
#[derive(Debug, Clone)]
pub struct Release {
    /// Whose.
    pub node: NodeId,
    /// How many commits waited.
    pub waiting: u64,
    /// How: `semi-sync off`, `KILL`, `SIGTERM`.
    pub how: String,
}

/// A plan that was carried out, with its inputs.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The agreed state.
    pub state: State,
    /// What was seen.
    pub seen: Observations,
    /// The leader's clock.
    pub now: Moment,
    /// What came out.
    pub plan: Plan,
}

/// The end of a run: all faults were taken away, and it was left alone.
#[derive(Debug, Clone)]
pub struct Ending {
    /// For how long it was left alone.
    pub calm: Duration,
    /// Within how much of that it must be open.
    pub bound: Duration,
    /// Whether a majority of supervisors, the whole ack set and a candidate were there, with everything they had received.
    pub whole: bool,
    /// The phase.
    pub phase: Phase,
    /// How often the epoch changed in the second half of the calm.
    pub restless: u64,
    /// What is held back, in words.
    pub held_back: Vec<String>,
}
