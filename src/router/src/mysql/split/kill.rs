//! KILL, with the ids that the router gave out.

use quorate_model::NodeId;

use super::codes::{CONNECTION_KILLED, NO_SUCH_THREAD, NOT_OWNER, NOT_SUPPORTED, QUERY_INTERRUPTED, UNKNOWN_ERROR};
use super::compose::bring_up;
use super::exchange::{Refusal, say};
use super::job::{Job, Wire};
use super::session::{End, Session};
use crate::core::route::Access;
use crate::mysql::fleet::registry::Kill as Signal;
use crate::mysql::session::needs::Needs;
use crate::mysql::session::route::Side;
use crate::mysql::sql::classify::classify;
use crate::mysql::sql::kill::question;
use crate::mysql::sql::lex::Dialect;
use crate::mysql::sql::verdict::{Class, Facts, Kill, KillTarget, Verdict};
use crate::mysql::wire::command::Command;
use crate::mysql::wire::packet::HEADER_BYTES;
use crate::mysql::wire::statement::{Types, execute_types, only_integer};

/// Whom to kill, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    whom: Whom,
    query: bool,
    soft: bool,
}

/// Whom to kill.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    /// A session of this router.
    Session(u64),
    /// The session that this statement gives the id of.
    Evaluated(Vec<u8>),
    /// Cannot be evaluated without doing something else.
    Unclear,
    /// A server's own number of a query.
    QueryId,
    /// Everything of a user: only a server knows.
    User,
}

impl Order {
    /// COM_PROCESS_KILL.
    pub(super) const fn connection(id: u64) -> Self {
        Self {
            whom: Whom::Session(id),
            query: false,
            soft: false,
        }
    }

    /// `own` is the session that gives the order.
    pub(super) fn of(kill: &Kill<'_>, verdict: &Verdict<'_>, dialect: Dialect, own: u32) -> Self {
        let does_more = [
            Facts::MAY_WRITE,
            Facts::SETS_USER_VARIABLES,
            Facts::TAKES_USER_LOCK,
            Facts::RELEASES_USER_LOCK,
        ];
        let whom = match kill.target {
            KillTarget::Own => Whom::Session(u64::from(own)),
            KillTarget::Connection(id) => Whom::Session(id),
            KillTarget::Expression(_) if does_more.iter().any(|fact| verdict.facts.has(*fact)) => Whom::Unclear,
            KillTarget::Expression(expression) => {
                question(expression, dialect, own).map_or(Whom::Unclear, Whom::Evaluated)
            }
            KillTarget::QueryId => Whom::QueryId,
            KillTarget::User(_) => Whom::User,
        };
        Self {
            whom,
            query: kill.query,
            soft: kill.soft,
        }
    }

    /// A prepared KILL with these parameters, of which `?` alone may be the one.
    fn with(mut self, kill: &Kill<'_>, parameter: Option<u64>) -> Self {
        self.whom = match (kill.target, parameter) {
            (KillTarget::Expression(b"?"), Some(id)) => Whom::Session(id),
            _ => Whom::Unclear,
        };
        self
    }
}

impl Session {
    /// The servers decide whether the user may.
    pub(super) async fn kill(&mut self, order: Order, len: usize) -> Result<(), End> {
        let id = match order.whom {
            Whom::Session(id) => id,
            Whom::Evaluated(sql) => match self.evaluate(&sql).await? {
                Some(id) => id,
                None => return Ok(()),
            },
            Whom::Unclear => {
                let text = "KILL of an expression with subqueries, stored functions or side effects is not supported; give the id";
                return self.send_error(NOT_SUPPORTED.0, NOT_SUPPORTED.1, text).await;
            }
            Whom::QueryId => {
                let text = "KILL QUERY ID needs a server's own number of a query; name the connection instead";
                return self.send_error(NOT_SUPPORTED.0, NOT_SUPPORTED.1, text).await;
            }
            Whom::User => return self.plain_query(len).await,
        };
        self.kill_session(id, order.query, order.soft).await
    }

    /// Carries a prepared KILL out; false if a server must.
    pub(super) async fn kill_prepared(&mut self, own: u32, len: usize) -> Result<bool, End> {
        let packet = self.client.inbound.get(HEADER_BYTES..len).unwrap_or_default();
        let Some(statement) = self.state.statements.get_mut(own) else {
            return Ok(false);
        };
        let text = statement.text.clone();
        let verdict = classify(&text, self.state.dialect);
        let Class::Kill(kill) = verdict.class else {
            return Ok(false);
        };
        let mut order = Order::of(&kill, &verdict, self.state.dialect, self.card.id);
        if statement.parameters > 0 {
            let types = execute_types(packet, statement.parameters);
            let parameter = only_integer(packet, statement.types.as_deref());
            let (Ok(types), Ok(parameter)) = (types, parameter) else {
                return self.malformed().await.map(|()| true);
            };
            if let Types::Bound(types) = types {
                statement.bind(types);
            }
            let only = parameter.filter(|_| statement.parameters == 1);
            order = order.with(&kill, only.map(|id| u64::try_from(id).unwrap_or_default()));
        }
        if order.whom == Whom::User {
            return Ok(false);
        }
        self.kill(order, len).await.map(|()| true)
    }

    async fn kill_session(&mut self, id: u64, query: bool, soft: bool) -> Result<(), End> {
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
        let _order = card.order();
        for backend in backends.iter().flatten() {
            let side = if primary.as_ref() == Some(&backend.node) {
                Side::Primary
            } else {
                Side::Replica
            };
            let hardness = if soft { "SOFT" } else { "HARD" };
            let what = if query { "QUERY" } else { "CONNECTION" };
            let text = format!("KILL {hardness} {what} {}", backend.thread);
            if let Err(refused) = self.ask(side, &backend.node, &text).await {
                refusal = Some(refused);
            }
        }
        match refusal {
            Some((code, text)) if code.0 != NO_SUCH_THREAD.0 => self.send_error(code.0, code.1, &text).await,
            _ => {
                card.kill(if query { Signal::Query } else { Signal::Connection });
                self.send_ok().await
            }
        }
    }

    /// What a server answers who kills itself; its connections are closed with it.
    async fn kill_self(&mut self, query: bool) -> Result<(), End> {
        self.interrupted(if query { Signal::Query } else { Signal::Connection })
            .await
    }

    /// Tells a client whose command waits for a server that somebody killed it. Nothing of the command was carried out, and
    /// nothing will be.
    pub(super) async fn interrupted(&mut self, kill: Signal) -> Result<(), End> {
        match kill {
            Signal::Query => {
                let (code, sqlstate) = QUERY_INTERRUPTED;
                self.send_error(code, sqlstate, "Query execution was interrupted").await
            }
            Signal::Connection => {
                let (code, sqlstate) = CONNECTION_KILLED;
                self.send_error(code, sqlstate, "Connection was killed").await?;
                Err(End::Killed)
            }
        }
    }

    /// The id that an expression gives on the primary, where the session's variables are; none if the client was told why
    /// not. What it reads there changes nothing.
    async fn evaluate(&mut self, sql: &[u8]) -> Result<Option<u64>, End> {
        let job = Job {
            command: Command::Query,
            len: 0,
            whole: true,
            needs: Needs::UNKNOWN,
            wire: Wire::AsIs,
        };
        let decision = Self::towards(Side::Primary, "the expression of a KILL");
        if self.attach(&decision, &job).await?.is_none() {
            return Ok(None);
        }
        let Self { primary, state, .. } = self;
        let Some(backend) = primary.as_deref_mut() else {
            return Ok(None);
        };
        bring_up(backend, state);
        match say(backend, sql).await {
            Ok(Ok(outcome)) => {
                let id = outcome.first.and_then(|first| first.number_or_zero());
                Ok(Some(id.and_then(|id| u64::try_from(id).ok()).unwrap_or_default()))
            }
            Ok(Err((code, text))) => {
                self.send_error(code.0, code.1, &text).await?;
                Ok(None)
            }
            Err(_) => {
                self.drop_backend(Side::Primary);
                self.lost_between();
                let (code, sqlstate) = QUERY_INTERRUPTED;
                let text = "the primary was lost before it said whom to kill; nothing was killed";
                self.send_error(code, sqlstate, text).await?;
                Ok(None)
            }
        }
    }

    /// Tells a node something, as the session's user, on a connection of its own.
    async fn ask(&mut self, side: Side, node: &NodeId, text: &str) -> Result<(), Refusal> {
        let server = {
            let view = self.split.fleet.view();
            view.server(node).cloned().map(|server| (server, view.epoch))
        };
        let Some((server, epoch)) = server else {
            return Err((NO_SUCH_THREAD, format!("{node} is not in the route table")));
        };
        let access = match side {
            Side::Primary => Access::Write,
            Side::Replica => Access::Read,
        };
        let connected = self.connect(&server, epoch, access).await;
        let mut backend = Box::new(connected.map_err(|error| (UNKNOWN_ERROR, error.to_string()))?);
        bring_up(&mut backend, &self.state);
        let said = say(&mut backend, text.as_bytes()).await;
        let answer = said.map_err(|_| (UNKNOWN_ERROR, format!("{node} was lost")))?;
        backend.give_back(&self.split.pool);
        answer.map(drop)
    }
}
