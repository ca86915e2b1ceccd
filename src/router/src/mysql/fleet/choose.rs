//! Which server takes a read. Pure: everything it looks at is in the [`View`] and the [`Ask`].
//!
//! A replica is *fit* if its lag was measured lately and is within the bound, and if it has not just failed. Among the
//! fit ones the cheapest is taken, the cost being what it has to do already times how quick it answers; near-equal ones
//! take turns. A session stays with the server it is attached to unless another one is much cheaper, because changing
//! costs it a connection and the replay of its state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::{Moment, NodeId};

use super::positions::{Server, View};
use crate::config::{ReadPrimary, Reads};
use crate::core::fleet_metrics::OnPrimary;

/// Readings after which a lag is too old to be believed: two may be lost.
const LAG_BELIEVED_READINGS: u32 = 3;
/// What is believed at least, since a busy machine delays readings.
const LAG_BELIEVED_MIN: Duration = Duration::from_millis(500);
/// Costs within a quarter of the lowest are equal: latencies differ by less from one moment to the next.
const NEAR: (u64, u64) = (5, 4);
/// How much cheaper another server must be than the attached one.
const STAY: u64 = 2;
/// Below this, latencies are noise of this machine and not a property of a server; also that of an unknown server.
const LATENCY_FLOOR_US: u64 = 200;

/// What a read wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) now: Moment,
    /// Highest sequence number that the read must see; 0 for none.
    pub(crate) token: u64,
    pub(crate) max_lag: Duration,
    /// How often positions are read.
    pub(crate) monitor: Duration,
    pub(crate) primary: ReadPrimary,
    /// The node that the session has a reading connection to.
    pub(crate) attached: Option<&'a NodeId>,
    /// Grows by one with each choice of the router: whose turn it is among equals.
    pub(crate) turn: usize,
}

/// The outcome.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    /// This replica; if it does not cover the token, a wait goes ahead of the read.
    Replica { server: Arc<Server>, covers: bool },
    /// The primary.
    Primary(PrimaryBecause),
    /// Nobody may take it now.
    Nobody,
}

/// Why a read goes to the primary. A closed set: it labels a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrimaryBecause {
    /// The table names no replica.
    NoReplicas,
    /// Every replica is too far behind, or how far is not known.
    Lag,
    /// Every replica that is not too far behind has just failed.
    Failed,
    /// It shares the reads, and it was its turn.
    Shared,
}

/// Why a replica is not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Its connections or dials failed a moment ago.
    Failed,
    /// Its lag was not measured yet, or not lately.
    LagUnknown,
    /// It is further behind than the bound.
    Lag { lag: Duration, bound: Duration },
}

/// What was found about one server, for `EXPLAIN ROUTE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) node: NodeId,
    pub(crate) unfit: Option<Unfit>,
    /// Its cost; lower is better.
    pub(crate) cost: u64,
    /// Whether its known position covers the token.
    pub(crate) covers: bool,
    pub(crate) outstanding: u32,
    pub(crate) latency: Duration,
    pub(crate) lag: Option<Duration>,
}

impl Ask<'_> {
    /// A read without wishes of its own.
    pub(crate) const fn any(now: Moment, reads: &Reads) -> Self {
        Self {
            now,
            token: 0,
            max_lag: reads.max_lag(),
            monitor: reads.monitor(),
            primary: reads.primary,
            attached: None,
            turn: 0,
        }
    }
}

/// Whether `server` may take this read.
pub(crate) fn judge(server: &Server, ask: &Ask<'_>) -> Result<(), Unfit> {
    if server.load.is_shunned(ask.now) {
        return Err(Unfit::Failed);
    }
    let believed = (ask.monitor * LAG_BELIEVED_READINGS).max(LAG_BELIEVED_MIN);
    match server.lag() {
        Some(measured) if ask.now.since(measured.at) > believed => Err(Unfit::LagUnknown),
        None => Err(Unfit::LagUnknown),
        Some(measured) if measured.lag > ask.max_lag => Err(Unfit::Lag {
            lag: measured.lag,
            bound: ask.max_lag,
        }),
        Some(_) => Ok(()),
    }
}

/// What it would cost to read there: statements before ours, one more if a wait goes ahead, times the time of each.
fn cost(server: &Server, token: u64) -> u64 {
    let wait = u64::from(server.applied() < token);
    let statements = u64::from(server.load.outstanding())
        .saturating_add(1)
        .saturating_add(wait);
    let latency = u64::try_from(server.load.latency().as_micros()).unwrap_or(u64::MAX);
    statements.saturating_mul(latency.max(LATENCY_FLOOR_US))
}

/// Chooses. Allocates nothing.
pub(crate) fn choose(view: &View, ask: &Ask<'_>) -> Choice {
    let shared = match ask.primary {
        ReadPrimary::Share => view
            .primary
            .as_ref()
            .filter(|primary| !primary.load.is_shunned(ask.now)),
        ReadPrimary::Never | ReadPrimary::Fallback => None,
    };
    let fit = || {
        view.replicas
            .iter()
            .filter(|server| judge(server, ask).is_ok())
            .chain(shared)
    };
    let Some(lowest) = fit().map(|server| cost(server, ask.token)).min() else {
        return fallback(view, ask);
    };
    let attached = fit().find(|server| Some(server.node()) == ask.attached);
    let stays = attached.filter(|server| cost(server, ask.token) <= lowest.saturating_mul(STAY));
    let near = |server: &&Arc<Server>| cost(server, ask.token).saturating_mul(NEAR.1) <= lowest.saturating_mul(NEAR.0);
    let server = stays.or_else(|| {
        // Costs move while this runs, so the lowest may be gone by now: then anyone who is fit.
        let equals = fit().filter(near).count();
        let turn = ask.turn.checked_rem(equals).unwrap_or_default();
        fit().filter(near).nth(turn).or_else(|| fit().next())
    });
    match (server, shared) {
        (Some(server), Some(primary)) if Arc::ptr_eq(server, primary) => Choice::Primary(PrimaryBecause::Shared),
        (Some(server), _) => Choice::Replica {
            server: server.clone(),
            covers: server.applied() >= ask.token,
        },
        (None, _) => fallback(view, ask),
    }
}

/// No replica is fit.
fn fallback(view: &View, ask: &Ask<'_>) -> Choice {
    let because = if view.replicas.is_empty() {
        PrimaryBecause::NoReplicas
    } else if view
        .replicas
        .iter()
        .all(|server| judge(server, ask) == Err(Unfit::Failed))
    {
        PrimaryBecause::Failed
    } else {
        PrimaryBecause::Lag
    };
    let allowed = ask.primary != ReadPrimary::Never || because == PrimaryBecause::NoReplicas;
    if view.primary.is_some() && allowed {
        Choice::Primary(because)
    } else {
        Choice::Nobody
    }
}

/// What [`choose`] saw, server by server, for people.
pub(crate) fn findings(view: &View, ask: &Ask<'_>) -> Vec<Finding> {
    view.replicas
        .iter()
        .map(|server| Finding {
            node: server.node().clone(),
            unfit: judge(server, ask).err(),
            cost: cost(server, ask.token),
            covers: server.applied() >= ask.token,
            outstanding: server.load.outstanding(),
            latency: server.load.latency(),
            lag: server.lag().map(|measured| measured.lag),
        })
        .collect()
}

impl PrimaryBecause {
    /// How it is counted.
    pub(crate) const fn counted(self) -> OnPrimary {
        match self {
            Self::NoReplicas => OnPrimary::NoReplicas,
            Self::Lag => OnPrimary::Lag,
            Self::Failed => OnPrimary::Failed,
            Self::Shared => OnPrimary::Shared,
        }
    }

    /// For people.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NoReplicas => "the route table names no replica",
            Self::Lag => "no replica is within the lag bound",
            Self::Failed => "every replica has just failed",
            Self::Shared => "the primary shares the reads",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("a connection to it failed a moment ago"),
            Self::LagUnknown => f.write_str("its lag was not measured lately"),
            Self::Lag { lag, bound } => {
                write!(f, "{} ms behind, more than {} ms", lag.as_millis(), bound.as_millis())
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unfit {
            Some(unfit) => write!(f, "{} is not read: {unfit}", self.node),
            None => write!(
                f,
                "{} is fit: cost {} ({} under way, {} us to answer{})",
                self.node,
                self.cost,
                self.outstanding,
                self.latency.as_micros(),
                if self.covers { "" } else { ", a wait goes ahead" }
            ),
        }
    }
}

#[cfg(test)]
#[path = "choose_test.rs"]
mod tests;
