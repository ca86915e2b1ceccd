//! Puts a command into a server's words: what the connection lacks of the session's state first, then a wait for a
//! position, then the command itself. All of it is sent at once.

use std::io::{Cursor, Write as _};

use bytes::BytesMut;

use super::backend::{Backend, Fresh, Silent};
use super::exchange::{finish, settle};
use super::job::{Job, Wire};
use super::session::{Broken, End, Session, State};
use crate::mysql::session::journal::Entry;
use crate::mysql::session::route::Side;
use crate::mysql::session::statements::OnServer;
use crate::mysql::sql::verdict::Facts;
use crate::mysql::wire::command::{Command, ReplyShape};
use crate::mysql::wire::packet::{HEADER_BYTES, Malformed};
use crate::mysql::wire::reply::{End as ReplyEnd, Reply};
use crate::mysql::wire::statement::{Types, bulk_types, bulk_with_types, execute_types, execute_with_types};
use crate::mysql::wire::write::{put_command, put_query};

/// What the router needs to hear of every connection: what is set, what is committed, and what may not be shared.
pub(super) const TRACKING: &str =
    "SET SESSION session_track_system_variables='*',session_track_state_change=ON,session_track_schema=ON";
/// What the router needs to hear from the first `SET TRANSACTION` on: until when it holds. Before, it would make every transaction's
/// replies longer.
const TRACK_TRANSACTIONS: &str = "SET SESSION session_track_transaction_info=CHARACTERISTICS";
/// Of a replica's connection, too: an account that may write on a read-only server would otherwise write there whatever a function,
/// a procedure or a text that is not understood does, and the replica would no longer be the primary's copy.
const READS_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";
/// The key in the journal of what a session says of this itself.
const READS_ONLY_KEY: &str = "var:tx_read_only";
/// Leaves what a read leaves, for who asks for it after a read elsewhere: no rows changed, no warnings.
const AS_AFTER_A_READ: &str = "SELECT 1";
/// Room for a wait in words.
const WAIT_BYTES_MAX: usize = 96;
/// An `EXECUTE` whose parameters do not fit: the server's own words. None of it reaches a server.
const WRONG_ARGUMENTS: (u16, [u8; 5], &str) = (1210, *b"HY000", "Incorrect arguments to mysqld_stmt_execute");
/// An `EXECUTE` of a statement that the session does not have: the server's own words.
pub(super) const UNKNOWN_STATEMENT: (u16, [u8; 5]) = (1243, *b"HY000");

/// A job put into words.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each command")]
pub(super) enum Composed {
    /// In the server's `outbound`; this will answer it.
    Ready(Reply),
    /// The server was lost while the statement was prepared there.
    Lost(Broken),
    /// The client was told that it cannot be done.
    Told,
}

impl Session {
    /// Writes a job of the client's buffer into the outbound buffer of one side.
    pub(super) async fn compose(&mut self, side: Side, job: &Job, wait: Option<u64>) -> Result<Composed, End> {
        if let Wire::Statement(own) = job.wire
            && !self.has_statement(side, own, job.command)
            && let Err(early) = Box::pin(self.prepare_on(side, own)).await
        {
            return match early {
                Unprepared::Broken(broken) => Ok(Composed::Lost(broken)),
                Unprepared::Refused(code, sqlstate, text) => {
                    self.send_error(code, sqlstate, &text).await?;
                    Ok(Composed::Told)
                }
            };
        }
        let patience = self.split.live().reads.causal_wait();
        let checked = self.wants_checksum(job);
        let Self {
            client,
            primary,
            replica,
            state,
            wire_dialect,
            ..
        } = self;
        let backend = match side {
            Side::Primary => primary.as_deref_mut(),
            Side::Replica => replica.as_deref_mut(),
        };
        let Some(backend) = backend else {
            return Ok(Composed::Lost(Broken::gone(side)));
        };
        bring_up(backend, state);
        if job.needs.next_transaction && side == Side::Primary {
            put_setup(backend, TRACK_TRANSACTIONS);
        }
        if job.needs.facts.has(Facts::ASKS_LAST) && side == Side::Primary && state.last == Side::Replica {
            put_setup(backend, AS_AFTER_A_READ);
        }
        if let Some(sequence) = wait {
            put_wait(backend, sequence, patience.as_secs_f64());
        }
        let packet = client.inbound.get(..job.len).unwrap_or_default();
        if job.whole {
            let payload = packet.get(HEADER_BYTES..).unwrap_or_default();
            if put(backend, state, job.command, job.wire, payload).is_err() {
                let (code, sqlstate, text) = WRONG_ARGUMENTS;
                self.send_error(code, sqlstate, text).await?;
                return Ok(Composed::Told);
            }
        } else {
            backend.outbound.extend_from_slice(packet);
        }
        // What it has just been sent ahead may set them.
        let status = backend.status.lasting().with_settings_of(state.status);
        let reply = match (job.command, job.wire) {
            (Command::StmtPrepare, _) => Reply::prepare(state.reserved, *wire_dialect, status),
            _ => Reply::new(job.shape(), *wire_dialect, status),
        };
        let reply = with_columns(reply, backend, state, job);
        let reply = if job.needs.hold.asks_for_value() {
            reply.noticing(job.command != Command::Query)
        } else {
            reply
        };
        let reply = reply.carrying(std::mem::take(&mut state.carried));
        Ok(Composed::Ready(if checked {
            reply.checked(state.lend_checksum())
        } else {
            reply
        }))
    }

    /// Whether a server has a statement, and will answer with the columns that the client expects. If only the latter is lacking
    /// the statement is closed there, so that it is prepared anew.
    fn has_statement(&mut self, side: Side, own: u32, command: Command) -> bool {
        let own = self.state.statements.resolve(own);
        let executes = matches!(command, Command::StmtExecute | Command::StmtBulkExecute);
        let statement = self.state.statements.get(own);
        let told = statement.filter(|it| executes && !it.held).and_then(|it| it.columns);
        let Some(backend) = self.backend(side) else {
            return false;
        };
        if backend.statements.get(&own).is_some_and(|known| known.misleads(told)) {
            backend.close(own);
        }
        backend.statements.contains_key(&own)
    }

    /// Sees to it that a server has a statement.
    pub(super) async fn prepare_on(&mut self, side: Side, own: u32) -> Result<(), Unprepared> {
        let Self {
            primary,
            replica,
            state,
            ..
        } = self;
        let backend = match side {
            Side::Primary => primary.as_deref_mut(),
            Side::Replica => replica.as_deref_mut(),
        };
        let backend = backend.ok_or_else(|| Unprepared::Broken(Broken::gone(side)))?;
        let own = state.statements.resolve(own);
        if backend.statements.contains_key(&own) {
            return Ok(());
        }
        let Some(statement) = state.statements.get(own) else {
            let (code, sqlstate) = UNKNOWN_STATEMENT;
            let text = format!("Unknown prepared statement handler ({own}) given to mysqld_stmt_execute");
            return Err(Unprepared::Refused(code, sqlstate, text));
        };
        let text = statement.text.clone();
        let (marked, told) = (statement.needs.is_marked(), statement.columns);
        bring_up(backend, state);
        let prefix = state.marker.prefix();
        let prefix = if marked { &prefix[..] } else { &[] };
        put_command(
            &mut backend.outbound,
            0,
            &[&[Command::StmtPrepare.byte()], prefix, &text],
        );
        let broken = |lost| Unprepared::Broken(Broken::lost(side, lost));
        backend.flush().await.map_err(broken)?;
        let settled = settle(backend)
            .await
            .map_err(|stop| Unprepared::Broken(stop.broken(side)))?;
        if settled.is_err() {
            // The connection is not as the session's; whoever hears this drops it, with what it has yet to say.
            return Err(Unprepared::Broken(Broken::Malformed(side, STATE_REFUSED)));
        }
        let reply = Reply::swallowed(ReplyShape::Prepare, backend.caches_metadata()).gathering(told.is_some());
        let outcome = finish(backend, reply)
            .await
            .map_err(|stop| Unprepared::Broken(stop.broken(side)))?;
        match (outcome.end, outcome.prepared) {
            (ReplyEnd::Ok, Some(prepared)) => {
                let known = OnServer::new(prepared.id, outcome.definitions, told);
                backend.statements.insert(own, known);
                Ok(())
            }
            (ReplyEnd::Err { code, sqlstate }, _) => Err(Unprepared::Refused(code, sqlstate, text_of(outcome.message))),
            (ReplyEnd::Ok, None) => Err(Unprepared::Broken(Broken::Malformed(
                side,
                Malformed("a prepare without an id"),
            ))),
        }
    }
}

/// The reply of a statement whose columns the client is told only once.
fn with_columns(reply: Reply, backend: &mut Backend, state: &State, job: &Job) -> Reply {
    match (job.command, job.wire) {
        (Command::StmtPrepare, _) => reply.gathering(backend.caches_metadata()),
        (Command::StmtExecute | Command::StmtBulkExecute, Wire::Statement(own)) => {
            let own = state.statements.resolve(own);
            match (
                state.statements.get(own).and_then(|it| it.columns),
                backend.statements.get_mut(&own),
            ) {
                (Some(_), Some(known)) => reply.gathering(true).owing(std::mem::take(&mut known.owed)),
                _ => reply,
            }
        }
        _ => reply,
    }
}

/// A server does not take over a piece of the session's state.
pub(super) const STATE_REFUSED: Malformed = Malformed("the server refuses a piece of the session's state");

/// Why a server does not have a statement.
pub(super) enum Unprepared {
    Broken(Broken),
    Refused(u16, [u8; 5], String),
}

fn text_of(message: Option<Box<str>>) -> String {
    message.map_or_else(String::new, String::from)
}

/// Writes what the connection lacks of the session's state.
pub(super) fn bring_up(backend: &mut Backend, state: &State) {
    let fresh = backend.take_fresh();
    if fresh == Fresh::Used {
        put_command(&mut backend.outbound, 0, &[&[Command::ResetConnection.byte()]]);
        backend.silent.push_back(Silent::Setup);
    }
    if fresh != Fresh::No {
        track(backend);
    }
    if fresh != Fresh::No && !backend.is_primary {
        read_only(backend);
    }
    if fresh != Fresh::No && backend.is_primary && state.last_insert_id != 0 {
        put_setup(backend, &format!("SET last_insert_id={}", state.last_insert_id));
    }
    if let Some(database) = &state.database
        && backend.database.as_ref() != Some(database)
    {
        put_command(
            &mut backend.outbound,
            0,
            &[&[Command::InitDb.byte()], database.as_bytes()],
        );
        backend.silent.push_back(Silent::Setup);
        backend.database = Some(database.clone());
    }
    let is_primary = backend.is_primary;
    let wanted = |entry: &&Entry| is_primary || !entry.is(READS_ONLY_KEY);
    for entry in state.journal.since(backend.applied).filter(wanted) {
        put_setup(backend, &entry.sql);
    }
    backend.applied = state.journal.version();
    let announced = state.journal.announced();
    if fresh != Fresh::No && is_primary && !announced.is_empty() {
        put_setup(backend, TRACK_TRANSACTIONS);
        announced.iter().for_each(|sql| put_setup(backend, sql));
    }
}

/// Makes a server report everything of a connection.
pub(super) fn track(backend: &mut Backend) {
    put_setup(backend, TRACKING);
}

/// Makes a replica's connection one that only reads.
pub(super) fn read_only(backend: &mut Backend) {
    put_setup(backend, READS_ONLY);
}

/// Writes a statement of the router's own, which must succeed.
fn put_setup(backend: &mut Backend, sql: &str) {
    put_query(&mut backend.outbound, sql);
    backend.silent.push_back(Silent::Setup);
}

/// Writes a wait for a position. The wait ends by itself; nothing is killed.
fn put_wait(backend: &mut Backend, sequence: u64, patience_s: f64) {
    let mut text = Cursor::new([0_u8; WAIT_BYTES_MAX]);
    // The longest is far below the room.
    let _fits = write!(text, "SELECT MASTER_GTID_WAIT('0-1-{sequence}',{patience_s:.3})");
    let len = usize::try_from(text.position()).unwrap_or_default();
    let text = text.get_ref().get(..len).unwrap_or_default();
    put_command(&mut backend.outbound, 0, &[&[Command::Query.byte()], text]);
    backend.silent.push_back(Silent::Wait(sequence));
}

/// Writes one command, given as its payload with the router's statement ids.
pub(super) fn put(
    backend: &mut Backend,
    state: &mut State,
    command: Command,
    wire: Wire,
    payload: &[u8],
) -> Result<(), Malformed> {
    let body = payload.get(1..).unwrap_or_default();
    match wire {
        Wire::AsIs => {
            put_command(&mut backend.outbound, 0, &[payload]);
        }
        Wire::Marked => {
            let prefix = state.marker.prefix();
            put_command(&mut backend.outbound, 0, &[&[command.byte()], &prefix, body]);
        }
        Wire::Statement(own) => put_statement(backend, state, command, own, payload)?,
    }
    Ok(())
}

/// Writes a command about a prepared statement: with the server's id, and with the parameters' types if the server has
/// not seen them.
fn put_statement(
    backend: &mut Backend,
    state: &mut State,
    command: Command,
    own: u32,
    payload: &[u8],
) -> Result<(), Malformed> {
    let own = state.statements.resolve(own);
    let (Some(known), Some(statement)) = (backend.statements.get_mut(&own), state.statements.get_mut(own)) else {
        return Err(Malformed("an unknown statement"));
    };
    let id = known.id.to_le_bytes();
    let rest = payload.get(5..).unwrap_or_default();
    let types = match command {
        Command::StmtExecute => execute_types(payload, statement.parameters)?,
        Command::StmtBulkExecute => bulk_types(payload, statement.parameters)?,
        _ => Types::None,
    };
    match types {
        Types::Bound(types) => {
            statement.bind(types);
            known.types_version = statement.types_version;
        }
        Types::Unbound if known.types_version != statement.types_version => {
            let types = statement
                .types
                .as_deref()
                .ok_or(Malformed("parameters without types"))?;
            known.types_version = statement.types_version;
            let mut packet = BytesMut::with_capacity(payload.len().saturating_add(HEADER_BYTES));
            put_command(&mut packet, 0, &[&[command.byte()], &id, rest]);
            let taken = match command {
                Command::StmtBulkExecute => bulk_with_types(&packet, types, &mut backend.outbound)?,
                _ => execute_with_types(&packet, statement.parameters, types, &mut backend.outbound)?,
            };
            let taken = taken.ok_or(Malformed("parameters too long to be sent to another server"))?;
            backend
                .outbound
                .extend_from_slice(packet.get(taken..).unwrap_or_default());
            return Ok(());
        }
        Types::Unbound | Types::None => {}
    }
    put_command(&mut backend.outbound, 0, &[&[command.byte()], &id, rest]);
    Ok(())
}
