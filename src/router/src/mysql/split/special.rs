//! Commands that are neither statements nor about prepared ones: ping, default database, change of user, kill, dumps.

use bytes::BytesMut;

use super::job::{Job, Wire};
use super::kill::Order;
use super::session::{End, Session};
use crate::mysql::auth::greet::{GreetError, change};
use crate::mysql::relay::relay;
use crate::mysql::session::holdings::Holdings;
use crate::mysql::session::needs::{Effect, Needs, Place};
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::wire::capabilities::Dialect;
use crate::mysql::wire::command::Command;
use crate::mysql::wire::packet::HEADER_BYTES;
use crate::mysql::wire::reply::End as ReplyEnd;
use crate::mysql::wire::request::process_kill;
use crate::mysql::wire::write::{OkFields, put_ok};

impl Session {
    /// Carries out anything but statements.
    pub(super) async fn special(&mut self, command: Command, len: usize, whole: bool) -> Result<(), End> {
        match command {
            Command::Quit => Err(End::Client(None)),
            Command::Ping if self.primary.is_none() && self.state.owed.is_none() => self.send_ok().await,
            Command::ChangeUser if whole => self.change_user(len).await,
            Command::ResetConnection => self.reset(len, whole).await,
            Command::ProcessKill if whole => {
                let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default();
                let Ok(id) = process_kill(packet) else {
                    return self.malformed().await;
                };
                let order = Order::connection(u64::from(id));
                self.kill(order, len).await
            }
            Command::BinlogDump | Command::TableDump => self.dump(command, len, whole).await,
            _ => self.forwarded(command, len, whole).await,
        }
    }

    /// A command that the primary answers.
    async fn forwarded(&mut self, command: Command, len: usize, whole: bool) -> Result<(), End> {
        let harmless = matches!(
            command,
            Command::Ping | Command::InitDb | Command::Statistics | Command::FieldList | Command::SetOption
        );
        let needs = Needs {
            effect: if harmless { Effect::Read } else { Effect::Unknown },
            place: Place::Primary,
            pin: (command == Command::RegisterReplica).then_some(Pin::Unexplained),
            why: "only the primary answers it",
            ..Needs::UNKNOWN
        };
        let job = Job {
            command,
            len,
            whole,
            needs,
            wire: Wire::AsIs,
        };
        let done = self.carry_out(&job).await?;
        if command == Command::InitDb
            && whole
            && let Some((side, outcome)) = done
            && outcome.end == ReplyEnd::Ok
        {
            let name: Box<str> = String::from_utf8_lossy(self.payload(len)).into();
            self.card.set_database(&name);
            if let Some(backend) = self.backend(side) {
                backend.database = Some(name.clone());
            }
            self.state.database = Some(name);
        }
        Ok(())
    }

    /// COM_RESET_CONNECTION: as if just logged in, on every connection.
    async fn reset(&mut self, len: usize, whole: bool) -> Result<(), End> {
        self.state.transaction = None;
        self.state.owed = None;
        // The primary is what is reset. A read-only transaction on a replica would take the command there, and ends with it.
        if self.standing().reading {
            self.drop_backend(Side::Replica);
        }
        let needs = Needs {
            effect: Effect::Rollback,
            place: Place::Primary,
            ..Needs::UNKNOWN
        };
        let job = Job {
            command: Command::ResetConnection,
            len,
            whole,
            needs,
            wire: Wire::AsIs,
        };
        let Some((_, outcome)) = self.carry_out(&job).await? else {
            return Ok(());
        };
        if outcome.end == ReplyEnd::Ok {
            self.forget();
            if let Some(backend) = self.primary.as_mut() {
                backend.was_reset();
            }
            if let Some(backend) = self.replica.as_mut() {
                backend.reset();
            }
        }
        Ok(())
    }

    /// Forgets everything that the session has set.
    fn forget(&mut self) {
        let state = &mut self.state;
        state.journal.clear();
        state.statements.clear();
        state.pins.clear_all();
        state.holdings = Holdings::default();
        state.held = None;
        state.transaction = None;
        state.temporary.clear();
        state.last_insert_id = 0;
        state.afterglow = false;
        state.unmarked = false;
        state.chains = false;
        state.causal = self.split.live().reads.causal.into();
        self.state.dialect = self.first_dialect();
        self.wire_dialect = Dialect::of(self.capabilities);
        self.card.unpin_all();
    }

    /// COM_CHANGE_USER: another login, on connections of its own.
    async fn change_user(&mut self, len: usize) -> Result<(), End> {
        let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default().to_vec();
        let front = self.split.front();
        let changed = change(
            &mut self.client.stream,
            &front,
            &self.peer,
            &packet,
            &self.login,
            &self.scramble,
        )
        .await;
        let (login, sequence) = match changed {
            Ok(changed) => changed,
            Err(GreetError::Refused(_) | GreetError::Unread(_)) => return Ok(()),
            Err(error) => return Err(End::Told(error.to_string())),
        };
        self.drop_backend(Side::Primary);
        self.drop_backend(Side::Replica);
        self.forget();
        self.state.token = 0;
        self.state.database = login.database.as_deref().map(Box::from);
        self.card.set_user(&login.user);
        self.card.set_database(login.database.as_deref().unwrap_or_default());
        self.login = login;
        self.greeted(sequence).await
    }

    /// A statement as it came, to the primary.
    pub(super) async fn plain_query(&mut self, len: usize) -> Result<(), End> {
        let job = Job {
            command: Command::Query,
            len,
            whole: true,
            needs: Needs::UNKNOWN,
            wire: Wire::AsIs,
        };
        self.carry_out(&job).await?;
        Ok(())
    }

    /// A replication dump: from here on bytes flow both ways until either side ends.
    async fn dump(&mut self, command: Command, len: usize, whole: bool) -> Result<(), End> {
        let job = Job {
            command,
            len,
            whole,
            needs: Needs::UNKNOWN,
            wire: Wire::AsIs,
        };
        let decision = Self::towards(Side::Primary, "a replication stream");
        if self.attach(&decision, &job).await?.is_none() {
            return Ok(());
        }
        let Some(mut backend) = self.primary.take() else {
            return Ok(());
        };
        super::compose::bring_up(&mut backend, &self.state);
        let packet = self.client.inbound.split_to(len.min(self.client.inbound.len()));
        backend.outbound.extend_from_slice(&packet);
        // What was sent after it is for the server, too.
        let after = self.client.inbound.split();
        backend.outbound.extend_from_slice(&after);
        let over = |lost: super::backend::Lost| End::Told(lost.to_string());
        backend.flush().await.map_err(over)?;
        if !matches!(super::exchange::settle(&mut backend).await, Ok(Ok(()))) {
            return Err(End::Told("the server was lost before a replication stream".to_owned()));
        }
        let rest = backend.inbound.split();
        self.client
            .send(&rest)
            .await
            .map_err(|error| End::Client(Some(error)))?;
        let metrics = self.split.metrics.clone();
        let stopped = self.split.stopped.clone();
        let (stream, seat) = backend.stream();
        tokio::select! {
            biased;
            () = seat.ended() => {}
            () = stopped.cancelled() => {}
            // Either side's end is the end.
            _ = relay(&mut self.client.stream, stream, &metrics.bytes_up, &metrics.bytes_down) => {}
        }
        Err(End::Client(None))
    }

    /// An OK of the router's own.
    pub(super) async fn send_ok(&mut self) -> Result<(), End> {
        let mut out = BytesMut::new();
        let ok = OkFields {
            status: self.state.status,
            ..OkFields::default()
        };
        put_ok(&mut out, 1, &ok);
        self.client.send(&out).await.map_err(|error| End::Client(Some(error)))
    }
}
