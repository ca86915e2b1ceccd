//! Prepared statements: the client has the router's ids, each server its own.

use bytes::Bytes;

use super::codes::{MALFORMED_PACKET, NO_OPEN_CURSOR, TOO_MANY_STATEMENTS, UNKNOWN_ERROR};
use super::compose::UNKNOWN_STATEMENT;
use super::job::{Job, Wire};
use super::session::{End, Session};
use crate::mysql::recover::marker::MARKED_BYTES_MAX;
use crate::mysql::session::holdings::Hold;
use crate::mysql::session::needs::{Effect, Needs, Place, Wish};
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::session::statements::{OnServer, Statement, columns};
use crate::mysql::sql::classify::classify;
use crate::mysql::wire::command::Command;
use crate::mysql::wire::ok::Status;
use crate::mysql::wire::packet::HEADER_BYTES;
use crate::mysql::wire::reply::{End as ReplyEnd, Outcome};
use crate::mysql::wire::statement::{Execute, statement_id};
use crate::mysql::wire::write::{OkFields, put_ok};

/// Closed statements are told to a server with its next command, but not more bytes than this at once.
const CLOSES_BYTES_MAX: usize = 4096;

impl Session {
    /// Any command about prepared statements.
    pub(super) async fn prepared(&mut self, command: Command, len: usize, whole: bool) -> Result<(), End> {
        match command {
            Command::StmtPrepare => self.prepare(len, whole).await,
            Command::StmtClose => self.close_statement(len).await,
            Command::StmtReset => self.reset_statement(len, whole).await,
            Command::StmtLongData => self.long_data(len, whole).await,
            _ => Ok(()),
        }
    }

    async fn prepare(&mut self, len: usize, whole: bool) -> Result<(), End> {
        if let Err(full) = self.state.statements.room(len) {
            return self
                .send_error(TOO_MANY_STATEMENTS.0, TOO_MANY_STATEMENTS.1, &full.to_string())
                .await;
        }
        if !whole {
            let text = "a statement of more than 1 MiB cannot be prepared through the router; send it as text";
            self.send_error(UNKNOWN_ERROR.0, UNKNOWN_ERROR.1, text).await?;
            return Err(End::Told(text.to_owned()));
        }
        let text = Bytes::copy_from_slice(self.payload(len));
        let needs = Needs::of(&text, &classify(&text, self.state.dialect));
        let own = self.state.statements.reserve();
        self.state.reserved = own;
        let mut place = needs.place;
        if place == Place::Anywhere && self.state.temporary.mentioned_in(&text, self.state.dialect) {
            place = Place::Primary;
        }
        // Preparing is a read of the catalogue, whatever the statement does.
        let job = Job {
            command: Command::StmtPrepare,
            len,
            whole,
            needs: Needs {
                effect: Effect::Read,
                place,
                pin: None,
                hold: Hold::None,
                ..needs
            },
            wire: if needs.is_marked() && len < MARKED_BYTES_MAX {
                Wire::Marked
            } else {
                Wire::AsIs
            },
        };
        let Some((side, outcome)) = self.carry_out(&job).await? else {
            return Ok(());
        };
        if let (ReplyEnd::Ok, Some(prepared)) = (outcome.end, outcome.prepared) {
            let known = OnServer::new(prepared.id, outcome.definitions, None);
            let columns = known.columns;
            if let Some(backend) = self.backend(side) {
                backend.statements.insert(own, known);
            }
            let statement = Statement {
                text,
                needs,
                parameters: prepared.params,
                types: None,
                types_version: 0,
                columns,
                held: false,
            };
            self.state.statements.insert(own, statement);
        }
        Ok(())
    }

    /// Executes, fetches from a cursor, or executes in bulk.
    pub(super) async fn execute(&mut self, command: Command, len: usize, whole: bool) -> Result<(), End> {
        let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default();
        let (Ok(own), Ok(_)) = (statement_id(packet), Execute::parse(packet)) else {
            return self.malformed().await;
        };
        let own = self.state.statements.resolve(own);
        let Some(statement) = self.state.statements.get(own) else {
            return self.unknown_statement(own, command).await;
        };
        if command == Command::StmtFetch && !statement.held {
            // In the server's words, which would have the server's id in them.
            let text = format!("The statement ({own}) has no open cursor");
            return self.send_error(NO_OPEN_CURSOR.0, NO_OPEN_CURSOR.1, &text).await;
        }
        let mut needs = statement.needs;
        if needs.place == Place::Anywhere && self.state.temporary.mentioned_in(&statement.text, self.state.dialect) {
            needs.place = Place::Primary;
        }
        if self.state.unmarked {
            needs = needs.unmarked();
        }
        if self.state.held.is_some() && statement.held {
            needs.place = Place::WhereLast;
        }
        if needs.kills && command == Command::StmtExecute && whole && Box::pin(self.kill_prepared(own, len)).await? {
            return Ok(());
        }
        if !whole {
            // It goes there with the primary's number of the statement in it.
            needs.place = Place::Primary;
            needs.wish = Wish::default();
        }
        if !whole && !self.is_prepared_on_primary(own).await? {
            return Ok(());
        }
        let job = Job {
            command,
            len,
            whole,
            needs,
            wire: Wire::Statement(own),
        };
        if !whole {
            self.patch_id(own);
        }
        let done = self.carry_out(&job).await?;
        if let Some((side, outcome)) = &done {
            self.told_columns(own, *side, outcome);
        }
        self.after_execute(own, done.as_ref().map(|(_, outcome)| outcome));
        Ok(())
    }

    /// The client was told columns anew.
    fn told_columns(&mut self, own: u32, side: Side, outcome: &Outcome) {
        let told = columns(&outcome.definitions);
        let Some(statement) = self.state.statements.get_mut(own).filter(|_| told.is_some()) else {
            return;
        };
        statement.columns = told;
        let known = self.backend(side).and_then(|backend| backend.statements.get_mut(&own));
        if let Some(known) = known {
            known.columns = told;
        }
    }

    /// A cursor that is open keeps the session where it is, whatever else is executed meanwhile; one that has ended does not.
    fn after_execute(&mut self, own: u32, outcome: Option<&Outcome>) {
        let status = outcome.and_then(|outcome| outcome.status).unwrap_or_default();
        let open = status.any(Status::CURSOR_EXISTS) && !status.any(Status::LAST_ROW_SENT);
        let statement = self.state.statements.get_mut(own);
        let was_held = statement.is_some_and(|statement| std::mem::replace(&mut statement.held, open));
        if open {
            self.state.held = Some(self.state.last);
            self.pin(Pin::Cursor, "an open cursor");
        } else if was_held {
            self.let_go();
        }
    }

    /// The session may go elsewhere unless another statement holds it.
    fn let_go(&mut self) {
        if !self.state.statements.any_held() {
            self.state.held = None;
            self.unpin(Pin::Cursor);
        }
    }

    async fn long_data(&mut self, len: usize, whole: bool) -> Result<(), End> {
        let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default();
        let Ok(own) = statement_id(packet) else {
            // Without an answer, as at a server.
            return Ok(());
        };
        let own = self.state.statements.resolve(own);
        let Some(statement) = self.state.statements.get_mut(own) else {
            // Without an answer, as a server: the EXECUTE that follows will tell.
            return if whole {
                Ok(())
            } else {
                Err(End::Torn("long data for an unknown statement".to_owned()))
            };
        };
        statement.held = true;
        // The pieces and the EXECUTE must go to the same server; the primary can run anything.
        let needs = Needs {
            pin: Some(Pin::Cursor),
            ..Needs::UNKNOWN
        };
        if !whole {
            if !self.is_prepared_on_primary(own).await? {
                return Ok(());
            }
            self.patch_id(own);
        }
        let job = Job {
            command: Command::StmtLongData,
            len,
            whole,
            needs,
            wire: Wire::Statement(own),
        };
        self.carry_out(&job).await?;
        self.state.held = Some(Side::Primary);
        self.state.last = Side::Primary;
        self.pin(Pin::Cursor, "parameters sent in pieces");
        Ok(())
    }

    async fn close_statement(&mut self, len: usize) -> Result<(), End> {
        let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default();
        let Ok(own) = statement_id(packet) else {
            // Without an answer, as at a server.
            return Ok(());
        };
        let own = self.state.statements.resolve(own);
        let Some(statement) = self.state.statements.remove(own) else {
            return Ok(());
        };
        for side in [Side::Primary, Side::Replica] {
            let Some(backend) = self.backend(side) else { continue };
            backend.close(own);
            // A failure shows with the next command.
            if backend.outbound.len() > CLOSES_BYTES_MAX && backend.flush().await.is_err() {
                self.drop_backend(side);
            }
        }
        if statement.held {
            self.let_go();
        }
        Ok(())
    }

    async fn reset_statement(&mut self, len: usize, whole: bool) -> Result<(), End> {
        let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default();
        let Ok(own) = statement_id(packet) else {
            return self.malformed().await;
        };
        let own = self.state.statements.resolve(own);
        let Some(statement) = self.state.statements.get_mut(own) else {
            return self.unknown_statement(own, Command::StmtReset).await;
        };
        if !std::mem::take(&mut statement.held) {
            // Nothing of it is on a server: no cursor, no pieces.
            let mut out = bytes::BytesMut::new();
            put_ok(
                &mut out,
                1,
                &OkFields {
                    status: self.state.status,
                    ..OkFields::default()
                },
            );
            return self.client.send(&out).await.map_err(|error| End::Client(Some(error)));
        }
        let needs = Needs {
            place: Place::WhereLast,
            effect: Effect::Read,
            ..Needs::UNKNOWN
        };
        let job = Job {
            command: Command::StmtReset,
            len,
            whole,
            needs,
            wire: Wire::Statement(own),
        };
        self.carry_out(&job).await?;
        self.let_go();
        Ok(())
    }

    /// A packet that is too short for what it claims to be: the server's own words. None of it reaches a server.
    pub(super) async fn malformed(&mut self) -> Result<(), End> {
        let (code, sqlstate) = MALFORMED_PACKET;
        self.send_error(code, sqlstate, "Malformed communication packet").await
    }

    async fn unknown_statement(&mut self, own: u32, command: Command) -> Result<(), End> {
        let function = match command {
            Command::StmtFetch => "fetch",
            Command::StmtReset => "reset",
            _ => "execute",
        };
        let text = format!("Unknown prepared statement handler ({own}) given to mysqld_stmt_{function}");
        self.send_error(UNKNOWN_STATEMENT.0, UNKNOWN_STATEMENT.1, &text).await
    }

    /// For a command that flows through: its statement must be on the primary before its first byte goes.
    async fn is_prepared_on_primary(&mut self, own: u32) -> Result<bool, End> {
        let decision = Self::towards(Side::Primary, "a command of more than 1 MiB");
        let job = Job {
            command: Command::StmtExecute,
            len: 0,
            whole: false,
            needs: Needs::UNKNOWN,
            wire: Wire::Statement(own),
        };
        if self.attach(&decision, &job).await?.is_none() {
            return Err(End::Told("no server for a long command".to_owned()));
        }
        if Box::pin(self.prepare_on(Side::Primary, own)).await.is_err() {
            // What follows of the command would be taken for the next one.
            let text = "a command of more than 1 MiB cannot be sent: its statement is not on the primary";
            self.send_error(UNKNOWN_ERROR.0, UNKNOWN_ERROR.1, text).await?;
            return Err(End::Told(text.to_owned()));
        }
        Ok(true)
    }

    /// Puts the primary's id of a statement into the command at the front of the client's buffer.
    fn patch_id(&mut self, own: u32) {
        let Some(id) = self
            .primary
            .as_ref()
            .and_then(|backend| backend.statements.get(&own))
            .map(|known| known.id)
        else {
            return;
        };
        if let Some(place) = self.client.inbound.get_mut(HEADER_BYTES + 1..HEADER_BYTES + 5) {
            place.copy_from_slice(&id.to_le_bytes());
        }
    }
}
