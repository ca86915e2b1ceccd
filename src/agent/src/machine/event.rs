//! What comes into the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::{Epoch, Finding, Gtid, GtidSet, LeaseGrant, Moment, NodeId, Order, ServerFacts};

use super::{Durable, Probe};

/// Something that happened. Every event may come late, twice or never; none is trusted beyond its epoch, boot or step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A supervisor's order.
    Order(Order),
    /// A supervisor's lease.
    Lease(LeaseGrant),
    /// [`super::Effect::Persist`] is on disk, synced.
    Persisted(Durable),
    /// The server of this boot answered for the first time.
    ServerUp {
        /// Which start, as in [`super::Effect::Start`].
        boot: u64,
        /// Its first answer.
        facts: ServerFacts,
    },
    /// The server of this boot ended, whoever ended it. Comes first of all, before its files are looked at.
    ServerExited {
        /// Which start.
        boot: u64,
        /// For people, for example `killed by signal 9`.
        exit: String,
    },
    /// After [`Event::ServerExited`]: the end of the dead server's binlog, or that it could not be read.
    /// The next start waits for it, since a start may truncate the binlog.
    FinalBinlog {
        /// Which start.
        boot: u64,
        /// Everything in its binlog.
        position: Option<GtidSet>,
    },
    /// The server answered.
    Facts {
        /// Which start.
        boot: u64,
        /// Its answer.
        facts: ServerFacts,
    },
    /// A step ended.
    StepDone {
        /// Which.
        id: u64,
        /// How.
        result: StepResult,
    },
    /// A probe of [`super::Effect::Probe`] ended.
    ProbeDone {
        /// Which.
        probe: Probe,
        /// Whether it wrote.
        ok: bool,
    },
    /// The replication stream from the primary through the relay: when its last byte came, none if it does not stand.
    /// Given at once when a stream begins or ends, and before each other event.
    Stream(Option<Moment>),
    /// A primary asks this node for a failsafe lease, or gives it back.
    FailsafeAsked {
        /// Who asks.
        from: NodeId,
        /// Under which epoch.
        epoch: Epoch,
        /// Its number.
        seq: u64,
        /// Give back instead of ask.
        release: bool,
    },
    /// A replica answered [`super::Effect::AskFailsafe`].
    FailsafeGranted {
        /// Who.
        by: NodeId,
        /// Under which epoch.
        epoch: Epoch,
        /// The question that it answers.
        seq: u64,
        /// For how long from the question; zero is a refusal.
        ttl: Duration,
    },
    /// What the doctor found, replacing what it found before.
    Findings(Vec<Finding>),
    /// The settings that must be the same on every node, by name.
    Alike(BTreeMap<String, String>),
    /// A planned stop was asked for (SIGTERM). Asked for twice, it is not waited for.
    Terminate,
    /// Time passed. Needed at [`super::Machine::wake`]; harmless at any other time.
    Tick,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// Done; read after it was done.
    Done(ServerFacts),
    /// The epoch row was written and acknowledged.
    Written(Gtid),
    /// Commits are frozen, at this position.
    Frozen(GtidSet),
    /// Not done, or not known to be done; why, for people.
    Failed(String),
}
