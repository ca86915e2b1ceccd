//! One command to one server, and its reply to the client: cut-through, with what the router asks for itself ahead.

use std::io::{self, IoSlice};

use tokio::io::AsyncWriteExt as _;

use super::backend::{Backend, Lost, Silent};
use super::client::Client;
use super::codes::{ErrorCode, READ_ONLY_TRANSACTION, UNKNOWN_ERROR};
use super::job::{Job, Wire};
use super::session::{Broken, Session};
use crate::mysql::fleet::positions::Fleet;
use crate::mysql::session::route::Side;
use crate::mysql::wire::checksum::Checksum;
use crate::mysql::wire::command::{Command, ReplyShape, Upstream};
use crate::mysql::wire::forward::Forward;
use crate::mysql::wire::ok::{ERR, Status};
use crate::mysql::wire::packet::Malformed;
use crate::mysql::wire::reply::{End as ReplyEnd, Outcome, Progress, Reply};
use crate::mysql::wire::write::put_command;

/// Pieces written at once; more are written by turns.
const SLICES_MAX: usize = 16;

/// `ER_OPTION_PREVENTS_STATEMENT`: the server is read-only.
const READ_ONLY: u16 = 1290;
/// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`: its connection is, for accounts that may write on a read-only server.
const ONLY_READS: u16 = READ_ONLY_TRANSACTION.0;
/// What may be due to a replica's being one: it does not write, and what is not there: database, column, table, routine, trigger, field.
const REPLICA_ERRORS: [u16; 8] = [READ_ONLY, ONLY_READS, 1049, 1054, 1146, 1305, 1360, 1356];

/// What became of a command.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each command")]
#[derive(Debug)]
pub(super) enum Answer {
    /// The client has its reply.
    Passed(Outcome, Option<Box<Checksum>>),
    /// There is none.
    Silent,
    /// The replica was behind; the client has nothing yet.
    Behind,
    /// The replica does not write, and the client has asked for a transaction that does not: nothing was given to it yet.
    ReadOnly,
    /// The replica has answered with an error that the primary may not have; the client has nothing yet.
    Declined,
    /// The server refused a piece of the session's state; the client has nothing yet.
    StateRefused(String),
}

/// How much of a reply the client has when its server is lost.
#[derive(Debug, Clone, Copy)]
struct Given {
    packets: bool,
    torn: bool,
    /// Sequence id of what would follow.
    next: u8,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            packets: false,
            torn: false,
            next: 1,
        }
    }
}

impl Session {
    /// Sends what is in the server's `outbound`, deals with the silent replies, and passes the reply to `job` on.
    pub(super) async fn exchange(&mut self, side: Side, job: &Job, reply: Reply) -> Result<Answer, Broken> {
        let Self {
            client,
            primary,
            replica,
            forward,
            split,
            ..
        } = self;
        let backend = match side {
            Side::Primary => primary.as_deref_mut(),
            Side::Replica => replica.as_deref_mut(),
        };
        let Some(backend) = backend else {
            return Err(lost(side, Lost::Closed, Given::default()));
        };
        let before = |error| lost(side, error, Given::default());
        backend.flush().await.map_err(before)?;
        if !job.whole {
            let mut command = Upstream::command();
            let sent = upload(client, backend, &mut command, job.len).await;
            sent.map_err(|stop| stop.broken(side))?;
        }
        let mut behind = false;
        while let Some(silent) = backend.silent.pop_front() {
            match swallow(backend, silent).await.map_err(|stop| stop.broken(side))? {
                Swallowed::Fine => {}
                Swallowed::Behind => behind = true,
                Swallowed::Refused(why) => return Ok(Answer::StateRefused(why)),
            }
        }
        if job.shape() == ReplyShape::None {
            return Ok(Answer::Silent);
        }
        if behind {
            discard(backend, job).await.map_err(|stop| stop.broken(side))?;
            return Ok(Answer::Behind);
        }
        if job.whole && side == Side::Replica {
            let reading = backend.status.any(Status::IN_TRANS);
            let code = error(backend).await.map_err(before)?;
            let answer = match code {
                Some(READ_ONLY) if reading => Some(Answer::ReadOnly),
                Some(code) if !reading && REPLICA_ERRORS.contains(&code) => Some(Answer::Declined),
                Some(_) | None => None,
            };
            if let Some(answer) = answer {
                discard(backend, job).await.map_err(|stop| stop.broken(side))?;
                return Ok(answer);
            }
        }
        let mut passing = Passing {
            client,
            backend,
            forward,
            fleet: &split.fleet,
            given: Given::default(),
            kept: if job.whole { job.len } else { 0 },
        };
        let passed = passing.pass(reply).await;
        let given = passing.given;
        passed
            .map(|(outcome, sum)| Answer::Passed(outcome, sum))
            .map_err(|stop| stop.broken_after(side, given))
    }
}

/// One reply on its way.
struct Passing<'a> {
    client: &'a mut Client,
    backend: &'a mut Backend,
    forward: &'a mut Forward,
    fleet: &'a Fleet,
    given: Given,
    /// Bytes of the command at the front of the client's buffer.
    kept: usize,
}

/// What ends an exchange early.
pub(super) enum Stop {
    Client(io::Error),
    Server(Lost),
    Malformed(Malformed),
}

impl From<Lost> for Stop {
    fn from(lost: Lost) -> Self {
        Self::Server(lost)
    }
}

impl Stop {
    pub(super) fn broken(self, side: Side) -> Broken {
        self.broken_after(side, Given::default())
    }

    fn broken_after(self, side: Side, given: Given) -> Broken {
        match self {
            Self::Client(error) => Broken::Client(error),
            Self::Server(error) => lost(side, error, given),
            Self::Malformed(error) => lost(side, Lost::Broken(io::Error::other(error)), given),
        }
    }
}

fn lost(side: Side, lost: Lost, given: Given) -> Broken {
    Broken::Server {
        side,
        lost,
        packets: given.packets,
        torn: given.torn,
        next: given.next,
    }
}

impl Passing<'_> {
    async fn pass(&mut self, mut reply: Reply) -> Result<(Outcome, Option<Box<Checksum>>), Stop> {
        loop {
            if self.backend.inbound.is_empty() {
                self.backend.fill().await?;
            }
            self.forward.clear();
            let advance = reply
                .advance(&mut self.backend.inbound, self.forward)
                .map_err(Stop::Malformed)?;
            // Before the client knows: it may ask for it through another session at once.
            if let Some(gtid) = reply.committed() {
                self.fleet.acknowledged(gtid.sequence);
            }
            if !self.forward.is_empty() {
                self.given = Given {
                    packets: true,
                    torn: !reply.is_between_packets(),
                    next: reply.next_sequence(),
                };
                write(self.client, self.backend, self.forward).await?;
            }
            self.backend.consume(advance.consumed);
            match advance.progress {
                Progress::Done => {
                    let (outcome, sum) = reply.finish();
                    self.backend.took(&outcome);
                    return Ok((outcome, sum));
                }
                Progress::SendFile => {
                    let shift = reply.upload_shift();
                    let mut file = Upstream::file(shift);
                    // The command is still in front: it is wanted again when all is over.
                    let behind = self.client.inbound.split_off(self.kept);
                    let command = std::mem::replace(&mut self.client.inbound, behind);
                    let sent = upload(self.client, self.backend, &mut file, 0).await;
                    let behind = std::mem::replace(&mut self.client.inbound, command);
                    self.client.inbound.extend_from_slice(&behind);
                    self.given.next = file.last_sequence().wrapping_sub(shift).wrapping_add(1);
                    sent?;
                    reply.file_sent();
                }
                Progress::More if self.backend.inbound.is_empty() => {}
                Progress::More => self.backend.fill().await?,
            }
        }
    }
}

/// The error that the server answers with, if it does. An error that may be due to its being a replica is not passed on: a
/// view that calls a function writes, or a definition has not arrived yet; then the primary's answer counts.
async fn error(backend: &mut Backend) -> Result<Option<u16>, Lost> {
    const HEAD_BYTES: usize = 7;
    while backend.inbound.len() < HEAD_BYTES {
        backend.fill().await?;
    }
    Ok(match backend.inbound.get(4..HEAD_BYTES) {
        Some(&[ERR, low, high]) => Some(u16::from_le_bytes([low, high])),
        _ => None,
    })
}

/// Writes all pieces to the client. A client that is slow to take them must not keep an ended epoch's server.
async fn write(client: &mut Client, backend: &Backend, forward: &Forward) -> Result<(), Stop> {
    let sending = async {
        if let Some((start, end)) = forward.only_range() {
            let bytes = backend.inbound.get(start..end).unwrap_or_default();
            client.stream.write_all(bytes).await?;
        } else {
            let mut written = 0;
            while written < forward.len() {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = forward.slices(&backend.inbound, written, &mut slices);
                let slices = slices.get(..filled).unwrap_or_default();
                match client.stream.write_vectored(slices).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    more => written = written.saturating_add(more),
                }
            }
        }
        client.stream.flush().await
    };
    tokio::select! {
        biased;
        sent = sending => sent.map_err(Stop::Client),
        () = backend.ended() => Err(Stop::Server(Lost::Epoch(backend.epoch))),
    }
}

/// Passes what the client sends on to the server until `upstream` ends. `sent` bytes at the front of the client's buffer
/// were sent already. If the server is lost meanwhile, the rest is taken and dropped: only then does the client listen.
async fn upload(client: &mut Client, backend: &mut Backend, upstream: &mut Upstream, sent: usize) -> Result<(), Stop> {
    let mut skip = sent;
    let mut lost = None;
    loop {
        let taken = upstream.advance(&mut client.inbound);
        let bytes = client.inbound.split_to(taken.bytes);
        if lost.is_none() {
            let fresh = bytes.get(skip.min(bytes.len())..).unwrap_or_default();
            skip = skip.saturating_sub(bytes.len());
            backend.outbound.extend_from_slice(fresh);
            lost = backend.flush().await.err();
        }
        if taken.end {
            return lost.map_or(Ok(()), |lost| Err(Stop::Server(lost)));
        }
        tokio::select! {
            filled = client.fill() => filled.map_err(Stop::Client)?,
            () = backend.ended(), if lost.is_none() => lost = Some(Lost::Epoch(backend.epoch)),
        }
    }
}

/// What a silent reply says.
enum Swallowed {
    Fine,
    Behind,
    Refused(String),
}

async fn swallow(backend: &mut Backend, silent: Silent) -> Result<Swallowed, Stop> {
    let reply = Reply::swallowed(ReplyShape::ResultSets, backend.caches_metadata());
    let outcome = finish(backend, reply).await?;
    if let ReplyEnd::Err { code, .. } = outcome.end {
        let text = outcome.message.as_deref().unwrap_or_default();
        return Ok(Swallowed::Refused(format!("{text} ({code})")));
    }
    match silent {
        Silent::Setup => Ok(Swallowed::Fine),
        Silent::Wait(sequence) if outcome.first.and_then(|first| first.number()) == Some(0) => {
            backend.server.raise(sequence);
            Ok(Swallowed::Fine)
        }
        Silent::Wait(_) => Ok(Swallowed::Behind),
    }
}

/// Reads the replies to what brings a connection up to its session's state. A refusal is told only after all of them, so
/// that nothing unread is left.
pub(super) async fn settle(backend: &mut Backend) -> Result<Result<(), String>, Stop> {
    let mut settled = Ok(());
    while let Some(silent) = backend.silent.pop_front() {
        if let Swallowed::Refused(why) = swallow(backend, silent).await? {
            settled = settled.and(Err(why));
        }
    }
    Ok(settled)
}

/// Reads the reply to a job that the client does not get from this server.
async fn discard(backend: &mut Backend, job: &Job) -> Result<(), Stop> {
    let reply = Reply::swallowed(job.shape(), backend.caches_metadata());
    let Wire::Statement(own) = job.wire else {
        return finish(backend, reply).await.map(drop);
    };
    let outcome = finish(backend, reply.gathering(true)).await?;
    backend.untold(own, &outcome);
    Ok(())
}

/// Reads a reply to its end and keeps it from the client.
pub(super) async fn finish(backend: &mut Backend, reply: Reply) -> Result<Outcome, Stop> {
    finish_checked(backend, reply).await.map(|(outcome, _)| outcome)
}

/// As [`finish`], with the checksum that was lent to the reply.
pub(super) async fn finish_checked(
    backend: &mut Backend,
    mut reply: Reply,
) -> Result<(Outcome, Option<Box<Checksum>>), Stop> {
    let mut nothing = Forward::new();
    loop {
        if backend.inbound.is_empty() {
            backend.fill().await?;
        }
        let advance = reply
            .advance(&mut backend.inbound, &mut nothing)
            .map_err(Stop::Malformed)?;
        nothing.clear();
        backend.consume(advance.consumed);
        match advance.progress {
            Progress::Done => {
                let (outcome, sum) = reply.finish();
                backend.took(&outcome);
                return Ok((outcome, sum));
            }
            Progress::More => backend.fill().await?,
            Progress::SendFile => return Err(Stop::Malformed(Malformed("a request for a file that nobody sends"))),
        }
    }
}

/// What a server says in place of an OK.
pub(super) type Refusal = (ErrorCode, String);

/// Sends a statement of the router's own behind what is due before it. A refusal is the server's own.
pub(super) async fn say(backend: &mut Backend, text: &[u8]) -> Result<Result<Outcome, Refusal>, Stop> {
    put_command(&mut backend.outbound, 0, &[&[Command::Query.byte()], text]);
    backend.flush().await?;
    let settled = settle(backend).await?;
    let reply = Reply::swallowed(ReplyShape::ResultSets, backend.caches_metadata());
    let outcome = finish(backend, reply).await?;
    if let Err(why) = settled {
        return Ok(Err((UNKNOWN_ERROR, why)));
    }
    Ok(match outcome.end {
        ReplyEnd::Ok => Ok(outcome),
        ReplyEnd::Err { code, sqlstate } => {
            let text = outcome.message.map_or_else(String::new, String::from);
            Err(((code, sqlstate), text))
        }
    })
}
