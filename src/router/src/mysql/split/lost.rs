//! A server was lost: what becomes of the command, the transaction and the session. The rules are in `recover/plan.rs`.

use std::time::Duration;

use bytes::BytesMut;
use quorate_model::Epoch;

use super::attach::Replayed;
use super::backend::Lost;
use super::codes::SERVER_SHUTDOWN;
use super::compose::{STATE_REFUSED, Unprepared, bring_up, put, track};
use super::exchange::{finish_checked, settle};
use super::job::{Job, Wire};
use super::learn::mark;
use super::run::READING_LOST;
use super::session::{Broken, End, Owed, Session};
use crate::mysql::fleet::registry::Kill;
use crate::mysql::recover::failure::Failure;
use crate::mysql::recover::marker::Target;
use crate::mysql::recover::plan::{Action, Answered, InFlight, Next, Standing, at_loss};
use crate::mysql::session::needs::Effect;
use crate::mysql::session::route::Side;
use crate::mysql::wire::capabilities::Capabilities;
use crate::mysql::wire::checksum::Checksum;
use crate::mysql::wire::command::{Command, ReplyShape};
use crate::mysql::wire::ok::Status;
use crate::mysql::wire::reply::Reply;
use crate::mysql::wire::statement::statement_id;
use crate::mysql::wire::write::{OkFields, put_err, put_ok};

/// What is next for a command whose server was lost.
pub(super) enum Retry {
    Again,
    Answered,
}

/// Longest wait for a server's answer to who asked it to kill a connection, which it does a moment before.
const KILL_TOLD_WITHIN: Duration = Duration::from_secs(1);

/// A statement whose answer was lost.
pub(super) struct Sent {
    /// Highest sequence number that was known when it was sent.
    pub(super) seen: u64,
    /// What it changes.
    pub(super) target: Target,
    /// Where it was sent.
    pub(super) epoch: Epoch,
    pub(super) thread: u32,
}

impl Session {
    /// Decides and acts. `seen` is the highest sequence number that was known when the command was sent.
    pub(super) async fn lost(&mut self, job: &Job, side: Side, broken: Broken, seen: u64) -> Result<Retry, End> {
        let (lost, packets, torn, next) = match broken {
            Broken::Server {
                lost,
                packets,
                torn,
                next,
                ..
            } => (lost, packets, torn, next),
            Broken::Malformed(_, malformed) => (Lost::Broken(std::io::Error::other(malformed)), false, false, 1),
            Broken::Client(error) => return Err(End::Client(Some(error))),
        };
        tracing::debug!(
            session = self.card.id,
            ?side,
            ?lost,
            "a server was lost under a command"
        );
        let (epoch, thread) = self
            .backend(side)
            .map_or_else(Default::default, |backend| (backend.epoch, backend.thread));
        let sent = Sent {
            seen,
            target: self.target(job),
            epoch,
            thread,
        };
        if !matches!(lost, Lost::Epoch(_)) && self.was_killed().await {
            self.drop_backend(side);
            return Err(End::Killed);
        }
        let reading = side == Side::Replica && self.standing().reading;
        if let Some(backend) = self.backend(side) {
            let load = backend.server.load.clone();
            let server = backend.server.clone();
            if !matches!(lost, Lost::Epoch(_)) {
                load.failed(self.split.clock.now());
                self.split.fleet.doubt(&server);
            }
        }
        self.drop_backend(side);
        let answered = match (packets, torn) {
            (false, _) => Answered::Nothing,
            (true, false) => Answered::Packets,
            (true, true) => Answered::TornPacket,
        };
        let action = if side == Side::Replica {
            replica_lost(job, answered, reading)
        } else {
            at_loss(Standing {
                in_flight: in_flight(job),
                answered,
                transaction: self.state.transaction.as_ref(),
                pinned: self.state.pins.first().map(|pin| pin.name()),
                found_rows: self.capabilities.has(Capabilities::FOUND_ROWS),
            })
        };
        self.act(action, next, sent).await
    }

    /// Whether the connection was lost because somebody killed the session.
    pub(super) async fn was_killed(&self) -> bool {
        self.killed_meanwhile().await == Some(Kill::Connection)
    }

    /// The kill that what a server did may be due to: the server does so a moment before the router is told that it was allowed.
    async fn killed_meanwhile(&self) -> Option<Kill> {
        let told = tokio::time::timeout(KILL_TOLD_WITHIN, self.card.killed_by_order());
        told.await.ok().flatten()
    }

    /// The table that a statement names; any, if it ends a transaction.
    fn target(&self, job: &Job) -> Target {
        if job.needs.effect == Effect::Commit || self.state.transaction.is_some() {
            return Target::ANY;
        }
        self.text(job).map_or(Target::ANY, Target::of)
    }

    async fn act(&mut self, action: Action, next: u8, sent: Sent) -> Result<Retry, End> {
        let then = match action {
            Action::Resolve(then) => then,
            simple => return self.act_simply(simple, next).await,
        };
        match self.resolve(then, sent).await? {
            Next::Answer {
                affected,
                last_insert_id,
                seq,
                doom,
            } => {
                self.state.transaction_over();
                self.state.token = self.state.token.max(seq);
                self.split.fleet.acknowledged(seq);
                self.split.metrics.sessions.resolved(true);
                let ok = OkFields {
                    affected_rows: affected,
                    last_insert_id,
                    status: self.state.status.without(Status::IN_TRANS),
                    ..OkFields::default()
                };
                let mut out = BytesMut::new();
                put_ok(&mut out, next, &ok);
                self.client.send(&out).await.map_err(|error| End::Client(Some(error)))?;
                if let Some(failure) = doom {
                    self.state.owed = Some(Owed { failure, last: true });
                }
                Ok(Retry::Answered)
            }
            Next::Do(action) => {
                self.split.metrics.sessions.resolved(false);
                self.act_simply(action, next).await
            }
        }
    }

    async fn act_simply(&mut self, action: Action, next: u8) -> Result<Retry, End> {
        match action {
            // The next attempt at the primary replays the transaction first, if one is open. `after` never asks again.
            Action::Reattach | Action::Repeat | Action::Replay | Action::Resolve(_) => Ok(Retry::Again),
            Action::AnswerOk => {
                self.state.transaction_over();
                self.state.status = self.state.status.without(Status::IN_TRANS);
                self.send_ok().await?;
                Ok(Retry::Answered)
            }
            Action::Fail(failure) => {
                self.state.transaction_over();
                self.tell(&failure, next).await?;
                Ok(Retry::Answered)
            }
            Action::Close(failure) => {
                self.tell(&failure, next).await?;
                Err(End::Told(failure.to_string()))
            }
        }
    }

    /// The primary was lost between two commands: what the next one will be answered with.
    pub(super) fn lost_between(&mut self) {
        let action = at_loss(Standing {
            in_flight: InFlight::Idle,
            answered: Answered::Nothing,
            transaction: self.state.transaction.as_ref(),
            pinned: self.state.pins.first().map(|pin| pin.name()),
            found_rows: false,
        });
        match action {
            Action::Fail(failure) => {
                self.state.transaction_over();
                self.state.owed = Some(Owed { failure, last: false });
            }
            Action::Close(failure) => self.state.owed = Some(Owed { failure, last: true }),
            Action::Reattach | Action::Repeat | Action::Replay | Action::AnswerOk | Action::Resolve(_) => {}
        }
    }

    /// Whether the primary that is attached has the open transaction, if there is one.
    pub(super) fn transaction_is_here(&self) -> bool {
        let open = self.state.transaction.as_ref().is_some_and(|log| !log.is_empty());
        !open
            || self
                .primary
                .as_ref()
                .is_some_and(|backend| backend.status.any(Status::IN_TRANS))
    }

    /// Sends the open transaction again and compares the replies.
    pub(super) async fn replay(&mut self) -> Result<Replayed, End> {
        let Some(log) = self.state.transaction.take() else {
            return Ok(Replayed::Done);
        };
        let statements = match log.replay() {
            Ok(statements) => statements.to_vec(),
            Err(obstacle) => {
                let failure = Failure::Retry {
                    why: format!("the primary was lost and the transaction cannot be replayed: {obstacle}"),
                };
                return self.replay_failed(&failure).await;
            }
        };
        for (index, logged) in statements.iter().enumerate() {
            let failure = match self.replay_one(&logged.command).await {
                Ok(sum) => match log.verify(index, sum) {
                    Ok(()) => continue,
                    Err(failure) => Some(failure),
                },
                Err(Broken::Malformed(_, malformed)) => Some(Failure::Retry {
                    why: format!("the transaction cannot be replayed: {}", malformed.0),
                }),
                Err(_) => None,
            };
            let killed = self.killed_meanwhile().await;
            if let (Some(failure), None) = (&failure, killed) {
                return self.replay_failed(failure).await;
            }
            // Whatever of it is on the new primary goes with the connection, and it is as open as it was.
            self.drop_backend(Side::Primary);
            self.state.transaction = Some(log);
            return match killed {
                Some(kill) => self.interrupted(kill).await.map(|()| Replayed::Told),
                None => Ok(Replayed::Lost),
            };
        }
        if statements.iter().any(|logged| self.replays_tracking(&logged.command))
            && let Some(backend) = self.primary.as_deref_mut()
        {
            track(backend);
        }
        self.split.metrics.sessions.replayed(true);
        self.state.transaction = Some(log);
        Ok(Replayed::Done)
    }

    pub(super) async fn replay_failed(&mut self, failure: &Failure) -> Result<Replayed, End> {
        self.split.metrics.sessions.replayed(false);
        // Whatever of it is on the new primary goes with the connection.
        self.drop_backend(Side::Primary);
        self.state.transaction_over();
        self.state.status = self.state.status.without(Status::IN_TRANS);
        self.tell(failure, 1).await?;
        Ok(Replayed::Told)
    }

    async fn replay_one(&mut self, payload: &[u8]) -> Result<u128, Broken> {
        let command = Command::from_byte(payload.first().copied().unwrap_or_default());
        let wire = match command {
            Command::StmtExecute | Command::StmtBulkExecute | Command::StmtLongData | Command::StmtReset => {
                let own = statement_id(payload).map_err(|error| Broken::Malformed(Side::Primary, error))?;
                match Box::pin(self.prepare_on(Side::Primary, own)).await {
                    Ok(()) => {}
                    Err(Unprepared::Broken(broken)) => return Err(broken),
                    Err(Unprepared::Refused(..)) => return Err(Broken::Malformed(Side::Primary, STATE_REFUSED)),
                }
                Wire::Statement(own)
            }
            Command::Query if self.is_marked(payload) => Wire::Marked,
            _ => Wire::AsIs,
        };
        let Self { primary, state, .. } = self;
        let backend = primary.as_deref_mut().ok_or(Broken::gone(Side::Primary))?;
        bring_up(backend, state);
        put(backend, state, command, wire, payload).map_err(|error| Broken::Malformed(Side::Primary, error))?;
        backend
            .flush()
            .await
            .map_err(|lost| Broken::lost(Side::Primary, lost))?;
        let settled = settle(backend).await.map_err(|stop| stop.broken(Side::Primary))?;
        if settled.is_err() {
            return Err(Broken::Malformed(Side::Primary, STATE_REFUSED));
        }
        let shape = command.reply_shape();
        if shape == ReplyShape::None {
            return Ok(0);
        }
        let caches = backend.caches_metadata();
        let reply = Reply::swallowed(shape, caches)
            .gathering(caches)
            .checked(Box::new(Checksum::new()));
        let (outcome, sum) = finish_checked(backend, reply)
            .await
            .map_err(|stop| stop.broken(Side::Primary))?;
        if let Wire::Statement(own) = wire {
            backend.untold(state.statements.resolve(own), &outcome);
        }
        Ok(sum.map_or(0, |sum| sum.digest()))
    }

    fn is_marked(&self, payload: &[u8]) -> bool {
        let text = payload.get(1..).unwrap_or_default();
        let verdict = crate::mysql::sql::classify::classify(text, self.state.dialect);
        crate::mysql::session::needs::Needs::of(text, &verdict).is_marked()
    }

    /// Tells the client, in the place of what is left of its reply.
    pub(super) async fn tell(&mut self, failure: &Failure, sequence: u8) -> Result<(), End> {
        let (code, sqlstate) = failure.code();
        let sqlstate = sqlstate.as_bytes().first_chunk().copied().unwrap_or(*b"HY000");
        let text = format!("quorate router {}: {failure}", self.split.visitor.router);
        let mut out = BytesMut::new();
        put_err(&mut out, sequence, code, sqlstate, &text);
        self.client.send(&out).await.map_err(|error| End::Client(Some(error)))
    }

    /// An error in the place of a whole reply.
    pub(super) async fn send_error(&mut self, code: u16, sqlstate: [u8; 5], text: &str) -> Result<(), End> {
        let mut out = BytesMut::new();
        put_err(&mut out, self.sequence, code, sqlstate, text);
        self.client.send(&out).await.map_err(|error| End::Client(Some(error)))
    }

    /// Nobody can be reached for long enough to say so.
    pub(super) async fn no_server<T: Default>(&mut self, why: &str) -> Result<T, End> {
        let text = format!(
            "quorate router {}: {why}; see `quorate explain`",
            self.split.visitor.router
        );
        self.send_error(SERVER_SHUTDOWN.0, SERVER_SHUTDOWN.1, &text).await?;
        Ok(T::default())
    }

    /// The server will not take over a piece of the session's state.
    pub(super) async fn state_refused<T>(&mut self, why: &str) -> Result<T, End> {
        let failure = Failure::StateLost {
            why: format!("state ({why})"),
        };
        self.tell(&failure, 1).await?;
        Err(End::Told(failure.to_string()))
    }

    /// One loss after the other.
    pub(super) async fn lost_too_often<T: Default>(&mut self) -> Result<T, End> {
        self.state.transaction_over();
        self.no_server("the servers were lost again and again while this statement was tried")
            .await
    }
}

/// What was under way.
fn in_flight(job: &Job) -> InFlight {
    match (job.command, job.needs.effect) {
        (Command::StmtFetch, _) => InFlight::Fetch,
        (_, Effect::Commit) => InFlight::Commit,
        (_, Effect::Rollback) => InFlight::Rollback,
        (_, Effect::Read) if job.needs.is_repeatable() && job.whole => InFlight::Harmless,
        (_, Effect::Begin | Effect::Savepoint | Effect::Session) if job.whole => InFlight::Harmless,
        _ => match mark(&job.needs, job.wire) {
            Some(mark) if job.needs.is_marked() => InFlight::Write {
                mark,
                repeatable: job.whole && job.needs.effect != Effect::Load(true),
            },
            _ => InFlight::Other,
        },
    }
}

/// A replica has nothing but reads.
fn replica_lost(job: &Job, answered: Answered, reading: bool) -> Action {
    let why = "the replica was lost while it answered";
    match answered {
        Answered::TornPacket => Action::Close(Failure::Interrupted { why }),
        _ if reading => Action::Fail(Failure::Retry {
            why: READING_LOST.to_owned(),
        }),
        Answered::Nothing if job.whole => Action::Repeat,
        Answered::Nothing | Answered::Packets => Action::Fail(Failure::Interrupted { why }),
    }
}
