//! A session's life: one command after the other, and what happens in between.

use std::time::Duration;

use bytes::Buf as _;
use tokio::time::Instant;

use super::backend::Backend;
use super::compose::Composed;
use super::exchange::Answer;
use super::job::{Job, KEPT_BYTES_MAX};
use super::lost::Retry;
use super::session::{Broken, End, Owed, Session};
use crate::mysql::fleet::registry::Kill;
use crate::mysql::recover::failure::Failure;
use crate::mysql::session::route::{Decision, Side, decide};
use crate::mysql::wire::command::{Command, Head, ReplyShape, Upstream};
use crate::mysql::wire::packet::HEADER_BYTES;
use crate::mysql::wire::reply::Outcome;

/// Farther than any session lives without a command that sets the timer anew.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often a silent session looks whether somebody waits for its connection. The first of many that look comes soon.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Servers that a command may be lost on before the client is told: each loss takes a failover or a broken network.
pub(super) const LOSSES_MAX: u32 = 5;

/// What becomes of a transaction on a replica.
pub(super) const READING_LOST: &str = "the replica of this read-only transaction was lost";

/// What woke a session between two commands.
enum Woken {
    /// The client has sent something.
    Input(std::io::Result<()>),
    /// The connection on this side is of no use any more.
    Gone(Side),
    /// Nothing came for long.
    Idle,
    Killed(Kill),
    Stopping,
    Stopped,
}

impl Session {
    /// Serves the client until either has enough.
    pub(crate) async fn run(&mut self) -> End {
        loop {
            let step = match self.next().await {
                Ok(head) => self.command(head).await,
                Err(end) => return end,
            };
            if let Err(end) = step {
                return end;
            }
            self.settle();
        }
    }

    /// The head of the next command, all of which is in the buffer unless it is very long.
    async fn next(&mut self) -> Result<Head, End> {
        loop {
            if let Some(head) = Head::parse(&self.client.inbound) {
                if let Some(len) = head.wire_bytes().filter(|len| *len <= KEPT_BYTES_MAX)
                    && self.client.inbound.len() < len
                {
                    let filled = tokio::select! {
                        filled = self.client.fill_to(len) => filled,
                        () = self.split.stopped.cancelled() => return Err(End::Stopped),
                    };
                    filled.map_err(|error| End::Client(Some(error)))?;
                }
                return Ok(head);
            }
            self.wait().await?;
        }
    }

    /// Waits for input, and looks after the connections meanwhile.
    async fn wait(&mut self) -> Result<(), End> {
        let since = Instant::now();
        loop {
            match self.woken().await {
                Woken::Input(Ok(())) => return Ok(()),
                Woken::Input(Err(error)) => return Err(End::Client(Some(error))),
                Woken::Gone(Side::Primary) => {
                    self.drop_backend(Side::Primary);
                    self.lost_between();
                }
                Woken::Gone(Side::Replica) => self.replica_lost_between(),
                Woken::Idle => {
                    // One timer serves all waits: it may have been set for an earlier one.
                    let (now, due) = (Instant::now(), since + self.idle());
                    if now >= due {
                        self.release_idle();
                        self.watch.idle.as_mut().reset(now + NEVER);
                    } else {
                        self.settle();
                        self.watch.idle.as_mut().reset(due.min(now + LOOK_EVERY));
                    }
                }
                Woken::Killed(Kill::Connection) => return Err(End::Killed),
                Woken::Killed(Kill::Query) => {}
                Woken::Stopping | Woken::Stopped => return Err(End::Stopped),
            }
        }
    }

    /// The replica was lost between two commands: nobody misses it, but a transaction that was open there.
    pub(super) fn replica_lost_between(&mut self) {
        if self.standing().reading {
            let failure = Failure::Retry {
                why: READING_LOST.to_owned(),
            };
            self.state.owed = Some(Owed { failure, last: false });
        }
        self.drop_backend(Side::Replica);
    }

    async fn woken(&mut self) -> Woken {
        let between = self.is_between();
        let attached = self.primary.is_some() || self.replica.is_some();
        let Self {
            client,
            primary,
            replica,
            watch,
            card,
            ..
        } = self;
        tokio::select! {
            biased;
            filled = client.fill() => Woken::Input(filled),
            () = gone(primary.as_deref_mut()) => Woken::Gone(Side::Primary),
            () = gone(replica.as_deref_mut()) => Woken::Gone(Side::Replica),
            kill = card.killed() => Woken::Killed(kill),
            () = watch.stopped.as_mut() => Woken::Stopped,
            () = watch.stopping.as_mut(), if between => Woken::Stopping,
            () = watch.idle.as_mut(), if attached => Woken::Idle,
        }
    }

    /// Whether the session could end here without breaking anything off.
    fn is_between(&self) -> bool {
        let standing = self.standing();
        self.client.inbound.is_empty() && !standing.writing && !standing.reading && self.state.pins.none()
    }

    /// Carries one command out.
    async fn command(&mut self, head: Head) -> Result<(), End> {
        if self.split.stopped.is_cancelled() {
            return Err(End::Stopped);
        }
        let (len, whole) = match head.wire_bytes() {
            Some(len) if len <= KEPT_BYTES_MAX => (len, true),
            _ => (self.client.inbound.len().min(KEPT_BYTES_MAX), false),
        };
        self.card.begin(head.command.byte(), self.split.clock.now());
        if let Some(owed) = self
            .state
            .owed
            .take_if(|_| head.command.reply_shape() != ReplyShape::None)
        {
            self.tell(&owed.failure, 1).await?;
            if owed.last {
                return Err(End::Told(owed.failure.to_string()));
            }
            return self.skip(len, whole).await;
        }
        self.watch_idle();
        let done = match head.command {
            Command::Query => self.query(len, whole).await,
            Command::StmtExecute | Command::StmtBulkExecute | Command::StmtFetch => {
                self.execute(head.command, len, whole).await
            }
            Command::StmtPrepare | Command::StmtLongData | Command::StmtReset | Command::StmtClose => {
                Box::pin(self.prepared(head.command, len, whole)).await
            }
            _ => Box::pin(self.special(head.command, len, whole)).await,
        };
        self.card.end(match self.state.last {
            Side::Primary => crate::mysql::fleet::registry::Side::Primary,
            Side::Replica => crate::mysql::fleet::registry::Side::Replica,
        });
        done?;
        if whole {
            return self.skip(len, whole).await;
        }
        Ok(())
    }

    /// Sets the timer of the first command after a long silence.
    fn watch_idle(&mut self) {
        if self.primary.is_none() && self.replica.is_none() {
            let due = Instant::now() + self.idle().min(LOOK_EVERY);
            self.watch.idle.as_mut().reset(due);
        }
    }

    /// Drops a command that was answered.
    async fn skip(&mut self, len: usize, whole: bool) -> Result<(), End> {
        if whole {
            self.client.inbound.advance(len.min(self.client.inbound.len()));
            return Ok(());
        }
        let mut upstream = Upstream::command();
        loop {
            let taken = upstream.advance(&mut self.client.inbound);
            self.client.inbound.advance(taken.bytes);
            if taken.end {
                return Ok(());
            }
            self.client.fill().await.map_err(|error| End::Client(Some(error)))?;
        }
    }

    /// The payload of a command that is whole, without its command byte.
    pub(super) fn payload(&self, len: usize) -> &[u8] {
        self.client.inbound.get(HEADER_BYTES + 1..len).unwrap_or_default()
    }

    /// Carries a job out on whatever server it needs, through the loss of servers. `None` if the client was answered
    /// otherwise.
    pub(super) async fn carry_out(&mut self, job: &Job) -> Result<Option<(Side, Outcome)>, End> {
        if self.standing().reading && self.does_not_only_read(job).await? {
            return Ok(None);
        }
        let mut only_primary = false;
        let mut behind = false;
        for _ in 0..LOSSES_MAX {
            let mut decision = decide(&job.needs, &self.standing());
            if only_primary {
                decision.side = Side::Primary;
            }
            let started = Instant::now();
            let Some((side, wait)) = self.attach(&decision, job).await? else {
                return Ok(None);
            };
            let seen = self.split.fleet.watermark();
            let _under_way = self.backend(side).map(|backend| backend.server.load.begin());
            let answer = match self.compose(side, job, wait).await? {
                Composed::Ready(reply) => self.exchange(side, job, reply).await,
                Composed::Lost(broken) => Err(broken),
                Composed::Told => return Ok(None),
            };
            match answer {
                Ok(Answer::Passed(outcome, sum)) => {
                    self.learn(job, side, &outcome, sum, started.elapsed());
                    if job.command == Command::StmtBulkExecute && side == Side::Primary && outcome.gtid.is_none() {
                        Box::pin(self.ask_position()).await;
                    }
                    if self.sets_tracking(job, &outcome) {
                        Box::pin(self.track_again(job, side, &outcome)).await;
                    }
                    return Ok(Some((side, outcome)));
                }
                Ok(Answer::Silent) => return Ok(None),
                // Another attempt, perhaps elsewhere, where the primary takes no reads.
                Ok(Answer::Behind) if self.only_replicas(&job.needs) => behind = true,
                Ok(Answer::Behind) => {
                    self.split.metrics.sessions.causal_fallback();
                    only_primary = true;
                }
                Ok(Answer::Declined) => only_primary = true,
                Ok(Answer::ReadOnly) => {
                    Box::pin(self.refuse_write()).await?;
                    return Ok(None);
                }
                Ok(Answer::StateRefused(why)) => {
                    self.drop_backend(side);
                    if side == Side::Primary || only_primary {
                        return self.state_refused(&why).await;
                    }
                    only_primary = true;
                }
                Err(Broken::Client(error)) => return Err(End::Client(Some(error))),
                Err(broken) => match Box::pin(self.lost(job, side, broken, seen)).await? {
                    Retry::Again => {}
                    Retry::Answered => return Ok(None),
                },
            }
        }
        if behind {
            let why =
                "no replica has caught up with this session (`reads.causal_wait_ms`), and `reads.primary` is `never`";
            return self.no_server(why).await;
        }
        self.lost_too_often().await
    }

    /// After a command and between two: a connection that others wait for is given back.
    fn settle(&mut self) {
        self.client.shrink(false);
        for side in [Side::Primary, Side::Replica] {
            if self.backend(side).is_some_and(|backend| backend.is_wanted()) {
                self.release(side);
            }
        }
    }

    /// After a long silence: connections go back, and memory with them.
    fn release_idle(&mut self) {
        self.release(Side::Primary);
        self.release(Side::Replica);
        self.client.shrink(true);
        self.state.checksum = None;
        for side in [Side::Primary, Side::Replica] {
            if let Some(backend) = self.backend(side) {
                backend.shrink();
            }
        }
        self.forward = crate::mysql::wire::forward::Forward::new();
    }

    /// A decision for one side, for what the router itself wants there.
    pub(super) const fn towards(side: Side, why: &'static str) -> Decision {
        Decision { side, node: None, why }
    }
}

/// Resolves when the connection is of no more use; never without a connection.
pub(super) async fn gone(backend: Option<&mut Backend>) {
    match backend {
        Some(backend) => backend.gone().await,
        None => std::future::pending().await,
    }
}

/// How long a client may take to read a farewell.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
