//! A MariaDB that does what the real one was seen to do (facts M1 to M14 of the protocol's reference).
//!
//! One replication domain, whose sequence numbers grow. What is engine-committed is a prefix of the binlog, because group commit keeps the order.

use std::collections::{BTreeMap, VecDeque};

use quorate_agent::machine::Probe;
use quorate_model::{Gtid, GtidSet, IoThread, ServerFacts};

use super::clock::Micros;
use super::rng::Rng;

/// One transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Txn {
    pub(crate) server: u32,
    pub(crate) seq: u64,
    /// Unique in the run: two transactions with one GTID are told apart by it.
    pub(crate) uid: u64,
}

impl Txn {
    pub(crate) const fn gtid(&self) -> Gtid {
        Gtid {
            domain: 0,
            server: self.server,
            seq: self.seq,
        }
    }
}

/// What survives a SIGKILL and a power cut.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Synced before anything is sent (`sync_binlog=1`).
    pub(crate) binlog: Vec<Txn>,
    /// How many are committed in the engine; the rest are prepared.
    pub(crate) committed: usize,
    /// How many engine commits certainly survive; the rest may be rolled back at a boot as a replica (M7).
    pub(crate) flushed: usize,
    /// Received since replication was last started afresh. The agent makes it durable before it acknowledges or reports it.
    pub(crate) relay: Vec<Txn>,
    /// It received something while it was not entitled to acknowledge: it may legally hold what nobody else does.
    pub(crate) bystander: bool,
    last_of: BTreeMap<u32, u64>,
}

impl Disk {
    fn push(&mut self, txn: Txn) {
        debug_assert!(txn.seq > self.end());
        self.last_of.insert(txn.server, txn.seq);
        self.binlog.push(txn);
    }

    /// Last sequence in the binlog.
    pub(crate) fn end(&self) -> u64 {
        self.binlog.last().map_or(0, |txn| txn.seq)
    }

    /// Last sequence received, applied or not.
    pub(crate) fn received(&self) -> u64 {
        self.relay.last().map_or(0, |txn| txn.seq).max(self.end())
    }

    /// The transaction with a sequence, in the binlog or the relay log.
    pub(crate) fn find(&self, seq: u64) -> Option<Txn> {
        let among = |log: &[Txn]| {
            log.binary_search_by_key(&seq, |txn| txn.seq)
                .ok()
                .map(|place| log[place])
        };
        among(&self.binlog).or_else(|| among(&self.relay))
    }

    /// What was received and not applied.
    pub(crate) fn unapplied(&self) -> impl Iterator<Item = &Txn> {
        let end = self.end();
        let from = self.relay.partition_point(|txn| txn.seq <= end);
        self.relay.iter().skip(from)
    }

    /// Everything, received or applied, in order.
    pub(crate) fn everything(&self) -> impl Iterator<Item = &Txn> {
        self.binlog.iter().chain(self.unapplied())
    }

    /// The last sequence that the engine has committed: what a read sees.
    pub(crate) fn seen(&self) -> u64 {
        self.committed
            .checked_sub(1)
            .and_then(|last| self.binlog.get(last))
            .map_or(0, |txn| txn.seq)
    }

    /// The next transaction for the applier.
    pub(crate) fn next_to_apply(&self) -> Option<Txn> {
        self.unapplied().next().copied()
    }

    /// Into the binlog. Preparing it flushes the engine's log, with every earlier commit in it.
    pub(crate) fn prepare(&mut self, txn: Txn) {
        self.flushed = self.committed;
        self.push(txn);
    }

    pub(crate) fn apply(&mut self, txn: Txn) {
        self.prepare(txn);
        self.committed = self.binlog.len();
    }

    /// Crash recovery in the replica role: what the engine does not hold is cut off (M7).
    pub(crate) fn recover(&mut self, rng: &mut Rng, power_cut: bool) {
        let kept = if rng.chance(if power_cut { 500 } else { 150 }) {
            let spread = self.committed.saturating_sub(self.flushed);
            self.flushed + rng.index(spread + 1)
        } else {
            self.committed
        };
        self.truncate(kept);
    }

    fn truncate(&mut self, kept: usize) {
        self.binlog.truncate(kept);
        self.committed = kept;
        self.flushed = kept;
        self.last_of.clear();
        for txn in &self.binlog {
            self.last_of.insert(txn.server, txn.seq);
        }
    }

    /// Crash recovery in the master role, the default: everything in the binlog becomes real (M6).
    pub(crate) const fn recover_as_master(&mut self) {
        self.committed = self.binlog.len();
        self.flushed = self.committed;
    }

    pub(crate) fn position(&self, seq: u64) -> GtidSet {
        self.find(seq).map(|txn| txn.gtid()).into_iter().collect()
    }

    pub(crate) fn state(&self) -> GtidSet {
        self.last_of
            .iter()
            .map(|(&server, &seq)| Gtid { domain: 0, server, seq })
            .collect()
    }
}

/// Who waits for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A client's write.
    Client { client: usize, session: u64, write: u64 },
    /// A probe of the commit path, or a nudge.
    Probe { life: u32, probe: Probe },
    /// The epoch row.
    Epoch { life: u32, step: u64, epoch: u64 },
}

/// A freeze of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freeze {
    No,
    /// Waits behind commits that wait for an acknowledgement; later ones queue up behind it.
    Asked {
        life: u32,
        step: u64,
        until: Micros,
    },
    Holds,
}

/// A running process.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the server")]
pub(crate) struct Server {
    pub(crate) boot: u64,
    pub(crate) answering: bool,
    pub(crate) killed: bool,
    pub(crate) read_only: bool,
    pub(crate) armed: bool,
    pub(crate) io: IoThread,
    pub(crate) applier: bool,
    /// `Gtid_IO_Pos`: none until a stream ran in this boot.
    pub(crate) io_pos: Option<u64>,
    pub(crate) error: Option<String>,
    pub(crate) freeze: Freeze,
    /// Commits held up by a freeze.
    pub(crate) queued: VecDeque<Waiter>,
    /// Commits in the binlog, waiting for an acknowledgement.
    pub(crate) waiting: VecDeque<(u64, Waiter)>,
    /// Highest epoch whose row was acknowledged in this boot.
    pub(crate) epoch_row: u64,
    /// The row lock of an epoch row that still waits.
    pub(crate) epoch_row_waits: bool,
    pub(crate) unprotected: u64,
}

impl Server {
    pub(crate) const fn starting(boot: u64) -> Self {
        Self {
            boot,
            answering: false,
            killed: false,
            read_only: true,
            armed: false,
            io: IoThread::No,
            applier: false,
            io_pos: None,
            error: None,
            freeze: Freeze::No,
            queued: VecDeque::new(),
            waiting: VecDeque::new(),
            epoch_row: 0,
            epoch_row_waits: false,
            unprotected: 0,
        }
    }

    /// What it answers when asked.
    pub(crate) fn facts(&self, disk: &Disk) -> ServerFacts {
        let applied = disk.position(disk.end());
        ServerFacts {
            binlog_pos: applied.clone(),
            binlog_state: disk.state(),
            received: self
                .io_pos
                .filter(|seq| *seq > disk.end())
                .map_or_else(|| applied.clone(), |seq| disk.position(seq)),
            applied,
            read_only: self.read_only,
            semi_sync_armed: self.armed,
            unprotected_commits: self.unprotected,
            waiting_commits: self.waiting.len() as u64,
            io: self.io,
            applier: self.applier,
            replication_error: self.error.clone(),
            lag_ms: None,
        }
    }
}
