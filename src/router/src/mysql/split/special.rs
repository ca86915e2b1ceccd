//! Commands that are neither statements nor about prepared ones: ping, default database, change of user, kill, dumps.

use bytes::BytesMut;
use quorate_model::NodeId;

use super::job::{Job, Wire};
use super::session::{End, Session};
use crate::mysql::auth::greet::{GreetError, change};
use crate::mysql::fleet::registry::Kill as Signal;
use crate::mysql::relay::relay;
use crate::mysql::session::holdings::Holdings;
use crate::mysql::session::needs::{Effect, Needs, Place};
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::sql::verdict::{Kill, KillTarget};
use crate::mysql::wire::command::Command;
use crate::mysql::wire::packet::HEADER_BYTES;
use crate::mysql::wire::reply::{End as ReplyEnd, Reply};
use crate::mysql::wire::request::process_kill;
use crate::mysql::wire::write::{OkFields, put_ok, put_query};

/// `ER_NO_SUCH_THREAD`.
const NO_SUCH_THREAD: (u16, [u8; 5]) = (1094, *b"HY000");
/// How a session names itself.
const OWN_ID: &[u8] = b"CONNECTION_ID()";
/// `ER_KILL_DENIED_ERROR`.
const NOT_OWNER: (u16, [u8; 5]) = (1095, *b"HY000");
/// `ER_NOT_SUPPORTED_YET`.
const NOT_SUPPORTED: (u16, [u8; 5]) = (1235, *b"42000");

/// Whom to kill, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// A session of this router.
    Session { id: u64, query: bool, soft: bool },
    /// A server's own number of a query.
    QueryId,
    /// Whatever an expression gives.
    Expression,
    /// Everything of a user: only a server knows.
    Server,
}

impl Order {
    /// `own` is the session that gives the order.
    pub(super) fn of(kill: &Kill<'_>, text: &[u8], own: u32) -> Self {
        let names_itself = |text: &[u8]| {
            text.to_ascii_uppercase()
                .windows(OWN_ID.len())
                .any(|part| part == OWN_ID)
        };
        match kill.target {
            KillTarget::Expression if names_itself(text) => Self::Session {
                id: u64::from(own),
                query: kill.query,
                soft: kill.soft,
            },
            KillTarget::Expression => Self::Expression,
            KillTarget::Connection(id) => Self::Session {
                id,
                query: kill.query,
                soft: kill.soft,
            },
            KillTarget::QueryId(_) => Self::QueryId,
            KillTarget::User(_) => Self::Server,
        }
    }
}

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
                    return self.send_error(1835, *b"HY000", "Malformed communication packet").await;
                };
                let id = u64::from(id);
                let order = Order::Session {
                    id,
                    query: false,
                    soft: false,
                };
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

    /// KILL, with the ids that the router gave out. The servers decide whether the user may.
    pub(super) async fn kill(&mut self, order: Order, len: usize) -> Result<(), End> {
        let (id, query, soft) = match order {
            Order::Session { id, query, soft } => (id, query, soft),
            Order::QueryId => {
                let text = "KILL QUERY ID needs a server's own number of a query; name the connection instead";
                return self.send_error(NOT_SUPPORTED.0, NOT_SUPPORTED.1, text).await;
            }
            Order::Expression => {
                let text = "KILL of an expression is not understood by the router, whose ids differ from the servers'; give the id";
                return self.send_error(NOT_SUPPORTED.0, NOT_SUPPORTED.1, text).await;
            }
            Order::Server => return self.plain_query(len).await,
        };
        let card = u32::try_from(id).ok().and_then(|id| self.split.registry.find(id));
        let Some(card) = card else {
            let text = format!("Unknown thread id: {id}");
            return self.send_error(NO_SUCH_THREAD.0, NO_SUCH_THREAD.1, &text).await;
        };
        if card.id == self.card.id {
            return self.kill_self(query).await;
        }
        let backends = card.backends();
        if backends.iter().all(Option::is_none) && card.snapshot().user != self.login.user {
            let text = format!("You are not owner of thread {id}");
            return self.send_error(NOT_OWNER.0, NOT_OWNER.1, &text).await;
        }
        let primary = self
            .split
            .fleet
            .view()
            .primary
            .as_ref()
            .map(|primary| primary.node().clone());
        let mut refusal = None;
        for backend in backends.iter().flatten() {
            let side = if primary.as_ref() == Some(&backend.node) {
                Side::Primary
            } else {
                Side::Replica
            };
            let hardness = if soft { "SOFT" } else { "HARD" };
            let what = if query { "QUERY" } else { "CONNECTION" };
            let text = format!("KILL {hardness} {what} {}", backend.thread);
            if let Err(error) = self.ask(side, &backend.node, &text).await? {
                refusal = Some(error);
            }
        }
        match refusal {
            Some((code, sqlstate, text)) if code != NO_SUCH_THREAD.0 => self.send_error(code, sqlstate, &text).await,
            _ => {
                card.kill(if query { Signal::Query } else { Signal::Connection });
                self.send_ok().await
            }
        }
    }

    /// What a server answers who kills itself; its connections are closed with it.
    async fn kill_self(&mut self, query: bool) -> Result<(), End> {
        if query {
            return self
                .send_error(1317, *b"70100", "Query execution was interrupted")
                .await;
        }
        self.send_error(1927, *b"70100", "Connection was killed").await?;
        Err(End::Killed)
    }

    /// Asks a node something of the router's own, as the session's user.
    async fn ask(&mut self, side: Side, node: &NodeId, text: &str) -> Result<Result<(), (u16, [u8; 5], String)>, End> {
        let server = {
            let view = self.split.fleet.view();
            view.server(node).cloned().map(|server| (server, view.epoch))
        };
        let Some((server, epoch)) = server else {
            return Ok(Err((
                NO_SUCH_THREAD.0,
                NO_SUCH_THREAD.1,
                format!("{node} is not in the route table"),
            )));
        };
        let access = match side {
            Side::Primary => crate::core::route::Access::Write,
            Side::Replica => crate::core::route::Access::Read,
        };
        let failed = |text: String| Ok(Err((1105, *b"HY000", text)));
        let mut backend = match self.connect(&server, epoch, access).await {
            Ok(backend) => Box::new(backend),
            Err(error) => return failed(error.to_string()),
        };
        super::compose::bring_up(&mut backend, &self.state);
        put_query(&mut backend.outbound, text);
        if let Err(lost) = backend.flush().await {
            return failed(lost.to_string());
        }
        let mut answer = Ok(());
        for _ in 0..=backend.silent.len() {
            let reply = Reply::swallowed(
                crate::mysql::wire::command::ReplyShape::ResultSets,
                backend.caches_metadata(),
            );
            match super::exchange::finish(&mut backend, reply).await {
                Ok(outcome) => {
                    answer = match outcome.end {
                        ReplyEnd::Ok => Ok(()),
                        ReplyEnd::Err { code, sqlstate } => {
                            Err((code, sqlstate, outcome.message.map_or_else(String::new, String::from)))
                        }
                    };
                }
                Err(_) => return failed(format!("{node} was lost")),
            }
        }
        backend.silent.clear();
        backend.give_back(&self.split.pool);
        Ok(answer)
    }

    /// A statement as it came, to the primary.
    async fn plain_query(&mut self, len: usize) -> Result<(), End> {
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
