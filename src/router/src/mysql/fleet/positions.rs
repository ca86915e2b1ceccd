//! What is known of each server: how far it has applied, how far behind it is, how quick and how busy.
//!
//! A [`Server`] is a node *during one stay*: from the moment it enters the route table until it leaves it, or until there
//! is doubt whether the process behind it is still the same. A node that comes back, perhaps restored from a backup and
//! with less than it had, is a new `Server` about which nothing is known; what is still learned through connections of
//! the former stay goes into the former `Server`, which nobody asks any more. So a position never needs to go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use quorate_model::{Endpoint, Epoch, Moment, NodeId, RouteTable};
use tokio::sync::watch;

/// How long a server that failed is chosen last. The supervisors take it off the table in about the same time.
const SHUN: Duration = Duration::from_secs(1);
/// Weight of the newest round trip in the average: an eighth, as TCP weighs its own.
const EWMA_SHIFT: u32 = 3;
/// Longest lag that is told apart from longer ones, 4.6 hours, in milliseconds.
const LAG_MAX_MS: u64 = (1 << LAG_BITS) - 1;
const LAG_BITS: u32 = 24;

/// All servers of the present route table.
#[derive(Debug)]
pub(crate) struct Fleet {
    view: ArcSwap<View>,
    /// Highest sequence number acknowledged to any session, or read on the primary.
    acknowledged: AtomicU64,
    /// Whether sessions that begin on the primary now read `"x"` as a name.
    ansi_quotes: AtomicBool,
    /// Counts the tables taken up, and the replicas that became known.
    changes: watch::Sender<u64>,
}

/// One immutable list of servers; replaced as a whole, while the servers in it change by atomics.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) epoch: Epoch,
    /// The primary, if the epoch is open.
    pub(crate) primary: Option<Arc<Server>>,
    /// Who becomes it once the epoch opens.
    pub(crate) elected: Option<Arc<Server>>,
    /// Replicas that may be read.
    pub(crate) replicas: Vec<Arc<Server>>,
}

/// One node during one stay.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    /// What outlives the stay.
    pub(crate) load: Arc<Load>,
    applied: AtomicU64,
    /// Lag in the low bits, the millisecond of the reading in the others; 0 means never read.
    lag: AtomicU64,
}

/// How busy and how quick a node is.
#[derive(Debug)]
pub(crate) struct Load {
    outstanding: AtomicU32,
    latency_us: AtomicU64,
    shunned_until_us: AtomicU64,
}

/// A lag and when it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) lag: Duration,
    pub(crate) at: Moment,
}

/// A statement under way on a server; no longer when dropped.
#[derive(Debug)]
pub(crate) struct Outstanding(Arc<Load>);

impl Fleet {
    /// Knows no server yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            view: ArcSwap::default(),
            acknowledged: AtomicU64::new(0),
            ansi_quotes: AtomicBool::new(false),
            changes: watch::Sender::new(0),
        })
    }

    /// Changes with every table that was taken up, after [`Fleet::view`] has, and with the first reading of a replica. Who
    /// waits for a server waits here, and not for the route snapshot, of which this list is made a moment later.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The present list; cheap enough for every statement. Not to be kept across an await.
    pub(crate) fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// Takes up a table. Only one task may call this and [`Fleet::doubt`] races with it harmlessly.
    pub(crate) fn follow(&self, table: &RouteTable) {
        self.view.rcu(|view| {
            let server = |endpoint: &Endpoint| {
                let known = view.servers().find(|server| server.endpoint.node == endpoint.node);
                match known {
                    Some(server) if server.endpoint == *endpoint => server.clone(),
                    Some(server) => Server::new(endpoint.clone(), server.load.clone()),
                    None => Server::new(endpoint.clone(), Load::new()),
                }
            };
            View {
                epoch: table.epoch,
                primary: table.writable.as_ref().map(server),
                elected: table.elected.as_ref().map(server),
                replicas: table
                    .readable
                    .iter()
                    .filter(|endpoint| {
                        table
                            .writable
                            .as_ref()
                            .is_none_or(|primary| primary.node != endpoint.node)
                    })
                    .map(server)
                    .collect(),
            }
        });
        self.changed();
    }

    /// The process behind `server` may be another one by now: a connection broke, or its position went back. The node
    /// goes on as a new server of which nothing is known.
    pub(crate) fn doubt(&self, server: &Arc<Server>) {
        if !self.view().servers().any(|known| Arc::ptr_eq(known, server)) {
            return;
        }
        let fresh = Server::new(server.endpoint.clone(), server.load.clone());
        let renew = |known: &Arc<Server>| {
            if Arc::ptr_eq(known, server) {
                fresh.clone()
            } else {
                known.clone()
            }
        };
        self.view.rcu(|view| View {
            epoch: view.epoch,
            primary: view.primary.as_ref().map(renew),
            elected: view.elected.as_ref().map(renew),
            replicas: view.replicas.iter().map(renew).collect(),
        });
    }

    /// Waits for a list that `fit` makes something of. When the router stops it never comes.
    pub(crate) async fn until<T>(&self, fit: impl Fn(&View) -> Option<T>) -> T {
        let mut changes = self.changes();
        loop {
            let found = fit(&self.view());
            match found {
                Some(found) => return found,
                None if changes.changed().await.is_err() => std::future::pending().await,
                None => {}
            }
        }
    }

    /// Waits for an epoch after `epoch`, open or not.
    pub(crate) async fn past(&self, epoch: Epoch) {
        self.until(|view| (view.epoch > epoch).then_some(())).await;
    }

    /// Waits for an open primary.
    pub(crate) async fn open(&self) -> (Arc<Server>, Epoch) {
        self.until(|view| Some((view.primary.clone()?, view.epoch))).await
    }

    /// Waits for a primary, or for one that is about to become it: whose door lets nobody in until the epoch is open, and where
    /// one may wait for that.
    pub(crate) async fn leader(&self) -> (Arc<Server>, Epoch) {
        let leader = |view: &View| view.primary.as_ref().or(view.elected.as_ref()).cloned();
        self.until(|view| Some((leader(view)?, view.epoch))).await
    }

    /// A server is fit now that was not a moment ago: who waits for one looks again.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// A transaction with this sequence number was acknowledged to a session, or read on the primary.
    pub(crate) fn acknowledged(&self, sequence: u64) {
        self.acknowledged.fetch_max(sequence, Ordering::AcqRel);
    }

    /// What the primary's global `sql_mode` says of double quotes.
    pub(crate) fn set_ansi_quotes(&self, ansi_quotes: bool) {
        self.ansi_quotes.store(ansi_quotes, Ordering::Relaxed);
    }

    /// Whether sessions that begin now read `"x"` as a name.
    pub(crate) fn ansi_quotes(&self) -> bool {
        self.ansi_quotes.load(Ordering::Relaxed)
    }

    /// Highest sequence number that any session was told of: what `global` causal reads wait for.
    pub(crate) fn watermark(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }
}

impl View {
    /// The primary first.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.primary.iter().chain(&self.elected).chain(&self.replicas)
    }

    /// The server of a node.
    pub(crate) fn server(&self, node: &NodeId) -> Option<&Arc<Server>> {
        self.servers().find(|server| server.endpoint.node == *node)
    }
}

impl Server {
    fn new(endpoint: Endpoint, load: Arc<Load>) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            load,
            applied: AtomicU64::new(0),
            lag: AtomicU64::new(0),
        })
    }

    /// Which node.
    pub(crate) const fn node(&self) -> &NodeId {
        &self.endpoint.node
    }

    /// Highest sequence number that it is known to have applied; 0 if nothing is known.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// It has applied everything up to `sequence`: a wait succeeded or its position was read, through a connection that
    /// was opened to *this* server.
    pub(crate) fn raise(&self, sequence: u64) {
        if self.applied() < sequence {
            self.applied.fetch_max(sequence, Ordering::AcqRel);
        }
    }

    /// The last measured lag.
    pub(crate) fn lag(&self) -> Option<Lag> {
        let packed = self.lag.load(Ordering::Acquire);
        (packed != 0).then(|| Lag {
            lag: Duration::from_millis(packed & LAG_MAX_MS),
            at: Moment::from_micros((packed >> LAG_BITS).saturating_mul(1000)),
        })
    }

    /// A lag was measured, or could not be.
    pub(crate) fn set_lag(&self, lag: Option<Duration>, at: Moment) {
        let packed = lag.map_or(0, |lag| {
            let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(LAG_MAX_MS).min(LAG_MAX_MS);
            ((at.as_micros() / 1000) << LAG_BITS) | lag_ms
        });
        self.lag.store(packed, Ordering::Release);
    }
}

impl Load {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            outstanding: AtomicU32::new(0),
            latency_us: AtomicU64::new(0),
            shunned_until_us: AtomicU64::new(0),
        })
    }

    /// A statement begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Outstanding {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Outstanding(self.clone())
    }

    /// Statements under way.
    pub(crate) fn outstanding(&self) -> u32 {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// A statement's first answer took so long. Lost updates between threads only make the average lazier.
    pub(crate) fn answered(&self, within: Duration) {
        let sample = u64::try_from(within.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.latency_us.load(Ordering::Relaxed);
        let new = if old == 0 {
            sample
        } else {
            old.saturating_sub(old >> EWMA_SHIFT)
                .saturating_add(sample >> EWMA_SHIFT)
        };
        self.latency_us.store(new.max(1), Ordering::Relaxed);
    }

    /// Average time to an answer; zero if there was none yet.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Ordering::Relaxed))
    }

    /// It could not be reached, or a connection to it broke: to be chosen last for a while.
    pub(crate) fn failed(&self, now: Moment) {
        let until = now.after(SHUN).as_micros();
        self.shunned_until_us.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether it failed lately.
    pub(crate) fn is_shunned(&self, now: Moment) -> bool {
        self.shunned_until_us.load(Ordering::Relaxed) > now.as_micros()
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "positions_test.rs"]
mod tests;
