//! Gives a read the replica that it may be answered by, and waits for one while neither a replica nor the primary takes it:
//! during a failover replicas are often there first.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::Epoch;
use tokio::time::sleep;

use super::backend::Backend;
use super::job::Job;
use super::session::{End, Session};
use crate::config::{Config, ReadPrimary};
use crate::core::metrics::Refused;
use crate::core::route::{Access, seconds};
use crate::mysql::fleet::choose::{Ask, Choice, choose, findings};
use crate::mysql::fleet::positions::{Server, View};
use crate::mysql::session::needs::{Effect, Needs, Place, WishPlace, node_hash};
use crate::mysql::session::route::{Decision, Side};
use crate::mysql::sql::hint::Causal;

/// Replicas that are tried for one read before the primary is.
const REPLICAS_MAX: u32 = 3;
/// Longest pause of a read that waits for a server. Fitness changes with readings, which are twice as far apart by default.
const UNFIT: Duration = Duration::from_millis(50);

/// Where a read goes; with a sequence number, after a wait for it.
enum Picked {
    /// To the replica that is attached.
    Attached { wait: Option<u64> },
    /// To another one.
    Other {
        server: Arc<Server>,
        epoch: Epoch,
        wait: Option<u64>,
    },
    /// To the primary.
    Primary,
    /// Nowhere yet: no replica is fit, and the primary takes no reads or is not open.
    Nobody,
}

/// Who answers a read.
pub(super) enum Reader {
    /// The replica that is attached now; with a sequence number, after a wait for it.
    Replica { wait: Option<u64> },
    /// The primary.
    Primary,
    /// Nobody: the client was told.
    Told,
}

impl Session {
    /// The connection to a replica that a statement for a replica cannot do without, however far behind and busy its server is
    /// by now: what it asks for is there and nowhere else. No wait goes ahead of it, which would be what it is told of.
    pub(super) fn stays_on_replica(&self, decision: &Decision, needs: &Needs) -> Option<&Backend> {
        let asks = needs.place == Place::WhereLast && decision.node.is_none();
        let stays = asks || self.standing().reading || self.state.held == Some(Side::Replica);
        self.replica
            .as_deref()
            .filter(|_| stays && decision.side == Side::Replica)
    }

    /// The replica that a hint wants, by the hash of its name.
    pub(super) fn wanted(&self, decision: &Decision, needs: &Needs) -> Option<u64> {
        let last = || {
            let there = self.replica.as_ref()?;
            (needs.wish.place == Some(WishPlace::Last)).then(|| node_hash(there.node.as_str().as_bytes()))
        };
        decision.node.or_else(last)
    }

    /// The sequence number that a read must see.
    pub(super) fn must_see(&self, needs: &Needs) -> u64 {
        let level = needs.wish.causal.unwrap_or(self.state.causal);
        let seen = match level {
            Causal::None => 0,
            Causal::Session => self.state.token,
            Causal::Global => self.state.token.max(self.split.fleet.watermark()),
        };
        seen.max(needs.wish.token.unwrap_or_default())
    }

    /// What a statement asks of its reader.
    pub(super) fn question(&self, needs: &Needs, live: &Config, turn: usize) -> Ask<'_> {
        Ask {
            now: self.split.clock.now(),
            token: self.must_see(needs),
            max_lag: needs.wish.max_lag.unwrap_or_else(|| live.reads.max_lag()),
            monitor: live.reads.monitor(),
            primary: live.reads.primary,
            attached: self.replica.as_ref().map(|backend| &backend.node),
            turn,
        }
    }

    /// Attaches the replica for a read, or says that it is the primary's.
    pub(super) async fn attach_reader(&mut self, decision: &Decision, job: &Job) -> Result<Reader, End> {
        match self.attach_fit(decision, job).await {
            Some(reader) => Ok(reader),
            None => Box::pin(self.wait_for_reader(decision, job)).await,
        }
    }

    /// As [`Self::attach_reader`]; none if nobody may take the read now.
    async fn attach_fit(&mut self, decision: &Decision, job: &Job) -> Option<Reader> {
        for _ in 0..REPLICAS_MAX {
            let (server, epoch, wait) = match self.pick(decision, &job.needs) {
                Picked::Attached { wait } => return Some(Reader::Replica { wait }),
                Picked::Primary => return Some(Reader::Primary),
                Picked::Nobody => return None,
                Picked::Other { server, epoch, wait } => (server, epoch, wait),
            };
            if Box::pin(self.attach_replica(&server, epoch)).await {
                return Some(Reader::Replica { wait });
            }
        }
        let open = self.split.fleet.view().primary.is_some();
        (open && !self.only_replicas(&job.needs)).then_some(Reader::Primary)
    }

    /// Holds a read until somebody may take it, as long as any statement may be held.
    async fn wait_for_reader(&mut self, decision: &Decision, job: &Job) -> Result<Reader, End> {
        let split = self.split.clone();
        let Some(ticket) = split.hold.enter() else {
            split.metrics.refused(Refused::HoldFull);
            let why = format!("{} sessions wait already (`hold_max`)", split.hold.max());
            self.no_server::<()>(&why).await?;
            return Ok(Reader::Told);
        };
        let card = Arc::clone(&self.card);
        let found = {
            let mut changes = split.fleet.changes();
            let mut seek = pin!(async {
                loop {
                    tokio::select! {
                        Ok(()) = changes.changed() => {}
                        () = sleep(UNFIT) => {}
                    }
                    self.leave_ended();
                    if let Some(reader) = self.attach_fit(decision, job).await {
                        return reader;
                    }
                }
            });
            tokio::select! {
                biased;
                kill = card.killed() => Err(kill),
                reader = &mut seek => Ok(Some(reader)),
                () = ticket.expired() => Ok(None),
                () = split.stopped.cancelled() => return Err(End::Stopped),
            }
        };
        let found = match found {
            Ok(found) => found,
            Err(kill) => return self.interrupted(kill).await.map(|()| Reader::Told),
        };
        let Some(reader) = found else {
            split.metrics.refused(Refused::HoldExpired);
            let waited = seconds(ticket.waited());
            let why = format!("{}; gave up after {waited}", self.why_nobody_reads(&job.needs));
            self.no_server::<()>(&why).await?;
            return Ok(Reader::Told);
        };
        Ok(reader)
    }

    /// Whether the setting keeps a statement from the primary: a read does not fall back to it.
    pub(super) fn only_replicas(&self, needs: &Needs) -> bool {
        needs.effect == Effect::Read && self.split.live().reads.primary == ReadPrimary::Never
    }

    /// Why no replica takes a read, for people.
    pub(super) fn why_nobody_reads(&self, needs: &Needs) -> String {
        let live = self.split.live();
        let view = self.split.fleet.view();
        let found = findings(&view, &self.question(needs, &live, 0));
        if found.is_empty() {
            return self.split.routes.borrow().why_closed(self.split.clock.now());
        }
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let found = found.join("; ");
        let primary = if self.only_replicas(needs) {
            "`reads.primary` is `never`".to_owned()
        } else {
            self.split.routes.borrow().why_closed(self.split.clock.now())
        };
        format!("no replica may answer this read ({found}), and {primary}")
    }

    /// Which replica a read goes to. The usual case, the one that is attached, costs no allocation.
    fn pick(&self, decision: &Decision, needs: &Needs) -> Picked {
        let (server, epoch, wait) = {
            let view = self.split.fleet.view();
            let live = self.split.live();
            let ask = self.question(needs, &live, self.split.turn());
            match choice(&view, &ask, self.wanted(decision, needs)) {
                Choice::Replica { server, covers } => (server, view.epoch, (!covers).then_some(ask.token)),
                Choice::Primary(because) => {
                    self.split.metrics.fleet.read_on_primary(because.counted());
                    return Picked::Primary;
                }
                Choice::Nobody if view.primary.is_none() || self.only_replicas(needs) => return Picked::Nobody,
                Choice::Nobody => return Picked::Primary,
            }
        };
        if self
            .replica
            .as_ref()
            .is_some_and(|backend| Arc::ptr_eq(&backend.server, &server))
        {
            return Picked::Attached { wait };
        }
        Picked::Other { server, epoch, wait }
    }

    /// Changes to another replica.
    async fn attach_replica(&mut self, server: &Arc<Server>, epoch: Epoch) -> bool {
        self.release(Side::Replica);
        self.drop_backend(Side::Replica);
        match self.connect(server, epoch, Access::Read).await {
            Ok(backend) => {
                self.install(Side::Replica, backend);
                true
            }
            Err(error) => {
                tracing::debug!(node = %server.node(), %error, "no connection to a replica");
                server.load.failed(self.split.clock.now());
                false
            }
        }
    }
}

/// Chooses: the replica that a hint names, by the hash of its name, however it is; else the one that is best.
pub(super) fn choice(view: &View, ask: &Ask<'_>, named: Option<u64>) -> Choice {
    let is_named = |server: &&Arc<Server>| Some(node_hash(server.node().as_str().as_bytes())) == named;
    match view.replicas.iter().find(is_named).filter(|_| named.is_some()) {
        Some(server) => Choice::Replica {
            server: server.clone(),
            covers: server.applied() >= ask.token,
        },
        None => choose(view, ask),
    }
}
