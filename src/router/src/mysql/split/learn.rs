//! What a finished reply says of the session: what is set, what is committed, what holds it in place.

use std::time::Duration;

use super::codes::{CHECK_READ, DEADLOCK};
use super::compose::read_only;
use super::job::{Job, Wire};
use super::session::Session;
use crate::mysql::recover::marker::Mark;
use crate::mysql::recover::transaction::{Completed, Obstacle, TRANSACTION_BYTES, TransactionLog};
use crate::mysql::session::holdings::{Hold, Holdings};
use crate::mysql::session::journal::set_variable;
use crate::mysql::session::needs::{Effect, Needs, Place};
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::sql::classify::classify;
use crate::mysql::sql::digest;
use crate::mysql::sql::hint::parse_token;
use crate::mysql::sql::lex::{Dialect, unquote_or_same};
use crate::mysql::sql::set::{Target, causal_value, effects};
use crate::mysql::sql::verdict::{Class, Facts};
use crate::mysql::stats::digests::{RanOn, Sample};
use crate::mysql::stats::slow::SlowStatement;
use crate::mysql::wire::checksum::Checksum;
use crate::mysql::wire::command::Command;
use crate::mysql::wire::ok::Status;
use crate::mysql::wire::packet::HEADER_BYTES;
use crate::mysql::wire::reply::{Change, End, Outcome};

/// Variables that are reported but cannot or must not be set on another connection.
const NOT_REPLAYED: [&[u8]; 6] = [
    b"last_gtid",
    b"session_track_system_variables",
    b"session_track_state_change",
    b"session_track_schema",
    b"gtid_seq_no",
    b"pseudo_thread_id",
];

/// The word after `SET` that makes it hold for one statement.
const STATEMENT: &[u8] = b"STATEMENT";

impl Session {
    /// Takes a whole reply up.
    pub(super) fn learn(
        &mut self,
        job: &Job,
        side: Side,
        outcome: &Outcome,
        sum: Option<Box<Checksum>>,
        elapsed: Duration,
    ) {
        let runs = job.runs();
        if runs {
            self.state.last = side;
        }
        if let Some(status) = outcome.status {
            self.state.status = match side {
                Side::Primary => status,
                // In a read-only transaction, too, autocommit may be switched.
                Side::Replica => self.state.status.with_settings_of(status),
            };
        }
        if let Some(gtid) = outcome.gtid {
            self.state.token = self.state.token.max(gtid.sequence);
        }
        if let Some(backend) = self.backend(side) {
            backend.server.load.answered(elapsed);
        }
        let well = outcome.end == End::Ok;
        self.state.carried.clone_from(&outcome.carried);
        if side == Side::Primary && outcome.last_insert_id != 0 {
            self.state.last_insert_id = outcome.last_insert_id;
        }
        let facts = job.needs.facts;
        self.state.unmarked |= facts.has(Facts::CHANGES_BINLOGGING);
        // Who asks for what is left leaves it there, for the next one who asks.
        let lasts = !runs || job.needs.place == Place::WhereLast;
        self.state.afterglow = lasts && self.state.afterglow
            || outcome.warnings > 0
            || outcome.end != End::Ok
            || facts.has(Facts::CALCULATES_FOUND_ROWS);
        if !outcome.changes.is_empty() || outcome.state_changed {
            self.changed(job, side, outcome);
        }
        if well && job.needs.effect == Effect::Session {
            self.has_set(job, side);
        }
        if side == Side::Primary
            && let Some(characteristics) = &outcome.characteristics
        {
            self.state.announce(characteristics);
        }
        if side == Side::Primary {
            let uncertain = job.needs.hold == Hold::TakeLock(false);
            // A statement that fails may have given a variable its value before.
            let assigned = job.needs.pin == Some(Pin::UserVariable);
            if assigned || (well || uncertain) && (job.needs.pin.is_some() || outcome.state_changed) {
                self.pinned(job, outcome);
            }
            if (well || uncertain) && job.needs.hold != Hold::None {
                self.held(job, outcome);
            }
            self.log_transaction(job, outcome, sum.as_deref());
        }
        self.state.checksum = sum.or_else(|| self.state.checksum.take());
        self.count(job, side, outcome, elapsed);
    }

    /// Whether a reply's checksum will be wanted: of everything that may be part of a transaction on the primary.
    pub(super) fn wants_checksum(&self, job: &Job) -> bool {
        let autocommit = self.state.status.any(Status::AUTOCOMMIT);
        job.needs.effect == Effect::Begin || self.state.transaction.is_some() || !autocommit
    }

    /// Variables and the database, as the server reports them.
    pub(super) fn changed(&mut self, job: &Job, side: Side, outcome: &Outcome) {
        let passing = self.changes_in_passing(job);
        for change in &outcome.changes {
            match change {
                Change::Schema(name) => {
                    let name: Box<str> = String::from_utf8_lossy(name).into();
                    self.card.set_database(&name);
                    if let Some(backend) = self.backend(side) {
                        backend.database = Some(name.clone());
                    }
                    self.state.database = Some(name);
                }
                Change::Variable { name, value } if !passing && !NOT_REPLAYED.contains(&&**name) => {
                    let name = String::from_utf8_lossy(name);
                    match &*name {
                        "sql_mode" => self.state.dialect = self.state.dialect.with_sql_mode(value),
                        "completion_type" => self.state.chains = &**value != b"NO_CHAIN",
                        // Said in a read-only transaction; there it must not hold.
                        "tx_read_only" if side == Side::Replica => {
                            self.replica.as_deref_mut().into_iter().for_each(read_only);
                        }
                        "character_set_client" => self.state.dialect = self.state.dialect.with_charset(value),
                        _ => {}
                    }
                    // NULL is told as nothing, and no character set has an empty name.
                    let is_null = value.is_empty() && name.starts_with("character_set_");
                    let sql = set_variable(&name, (!is_null).then_some(&String::from_utf8_lossy(value)));
                    self.record(side, &format!("var:{name}"), &sql);
                }
                Change::Variable { .. } => {}
            }
        }
    }

    /// Whether the variables that are reported may hold for the statement only: servers tell what `SET STATEMENT` sets, and not that
    /// it is over. Among other statements it may hide a change that lasts, so reads stay where all of it was seen.
    fn changes_in_passing(&mut self, job: &Job) -> bool {
        let several = job.needs.effect == Effect::Unknown
            && self.text(job).is_some_and(|text| {
                text.windows(STATEMENT.len())
                    .any(|word| word.eq_ignore_ascii_case(STATEMENT))
            });
        if several {
            let shape = self.shape(job);
            self.pin(Pin::Settings, &shape);
        }
        several || job.needs.facts.has(Facts::SET_STATEMENT)
    }

    /// Puts a setting into the journal; the server that reported it has it already.
    fn record(&mut self, side: Side, key: &str, sql: &str) {
        let before = self.state.journal.version();
        match self.state.journal.record(key, sql) {
            Ok(version) => {
                if let Some(backend) = self.backend(side).filter(|backend| backend.applied == before) {
                    backend.applied = version;
                }
            }
            Err(full) => self.pin(Pin::Settings, &full.to_string()),
        }
    }

    /// User variables, the role and the router's own variables, as the statement says them. System variables come from
    /// the server.
    fn has_set(&mut self, job: &Job, side: Side) {
        let dialect = self.state.dialect;
        let text = self.text(job).map(<[u8]>::to_vec).unwrap_or_default();
        let mut settings = Vec::new();
        let mut expression = false;
        for effect in effects(&text, dialect) {
            match effect.target {
                Target::CausalReads => {
                    self.state.causal =
                        causal_value(effect.value, dialect).unwrap_or_else(|| self.split.live().reads.causal.into());
                }
                Target::Token => {
                    let token = parse_token(&unquote_or_same(effect.value, dialect)).unwrap_or_default();
                    self.state.token = self.state.token.max(token);
                }
                Target::User(_) | Target::Role | Target::Names | Target::Charset
                    if effect.literal && !effect.depends_on_dialect() =>
                {
                    settings.push((effect.key(), String::from_utf8_lossy(&effect.sql()).into_owned()));
                }
                Target::User(_) => expression = true,
                _ => {}
            }
        }
        for (key, sql) in settings {
            self.record(side, &key, &sql);
        }
        if expression && !self.state.pins.has(Pin::UserVariable) {
            let shape = self.shape(job);
            self.pin(Pin::UserVariable, &shape);
        }
    }

    /// What the statement holds from now on.
    fn pinned(&mut self, job: &Job, outcome: &Outcome) {
        // A stored function or a trigger may set a variable or make a table, too.
        let may_hide = match job.needs.effect {
            Effect::Unknown | Effect::Dml | Effect::DmlReturning | Effect::Load(_) => {
                job.needs.hold != Hold::ForgetText
            }
            Effect::Read => job.needs.facts.has(Facts::MAY_WRITE),
            _ => false,
        };
        let unexplained = outcome.state_changed && job.needs.pin.is_none() && may_hide;
        let pin = job.needs.pin.or_else(|| unexplained.then_some(Pin::Unexplained));
        if pin == Some(Pin::TemporaryTable) {
            let dialect = self.state.dialect;
            let text = self.text(job).map(<[u8]>::to_vec).unwrap_or_default();
            self.state.temporary.observe(&text, dialect);
        }
        if let Some(pin) = pin.filter(|pin| !self.state.pins.has(*pin)) {
            let shape = self.shape(job);
            self.pin(pin, &shape);
        }
    }

    /// What the statement took or gave back. A pin ends only when nothing is left of what set it.
    fn held(&mut self, job: &Job, outcome: &Outcome) {
        let hold = job.needs.hold;
        if !job.runs() {
            return;
        }
        let ended = if matches!(hold, Hold::PrepareText | Hold::ExecuteText | Hold::ForgetText) {
            let text = self.text(job).map(<[u8]>::to_vec).unwrap_or_default();
            named(&mut self.state.holdings, &text, self.state.dialect)
        } else {
            let value = outcome.first.and_then(|first| first.number_or_zero());
            self.state.holdings.done(hold, value)
        };
        if let Some(pin) = ended {
            self.unpin(pin);
        }
    }

    /// The text of a job.
    pub(super) fn text(&self, job: &Job) -> Option<&[u8]> {
        match job.wire {
            Wire::Statement(own) => self.state.statements.get(own).map(|statement| &*statement.text),
            Wire::AsIs | Wire::Marked => self.client.inbound.get(HEADER_BYTES + 1..job.len),
        }
    }

    /// The text of a job without its literals.
    pub(super) fn shape(&self, job: &Job) -> String {
        let text = self.text(job);
        text.map_or_else(String::new, |text| digest::text(text, self.state.dialect).into())
    }

    fn log_transaction(&mut self, job: &Job, outcome: &Outcome, sum: Option<&Checksum>) {
        let open = outcome.status.unwrap_or(self.state.status).any(Status::IN_TRANS);
        let errored = outcome.end != End::Ok;
        // An ERR carries no flags: a transaction that was open stays so, unless the error itself rolls it back.
        let open = if errored {
            self.state.transaction.is_some() && !rolls_back(outcome)
        } else {
            open
        };
        if !open && self.state.transaction.is_none() {
            return;
        }
        let log = self
            .state
            .transaction
            .get_or_insert_with(|| TransactionLog::new(TRANSACTION_BYTES));
        if open && !job.whole {
            log.obstruct(Obstacle::Unrepeatable("a statement of more than 1 MiB"));
        }
        if let Some(what) = unrepeatable(&job.needs, job.command) {
            log.obstruct(Obstacle::Unrepeatable(what));
        }
        let command = self.client.inbound.get(HEADER_BYTES..job.len).unwrap_or_default();
        log.completed(Completed {
            command,
            reply: sum.map(Checksum::digest),
            write: mark(&job.needs, job.wire),
            begins: job.needs.effect == Effect::Begin,
            // A definition commits what was before it, and then may fail.
            committed: outcome.gtid.is_some() || errored && job.needs.effect == Effect::Ddl,
            open,
        });
        if !open {
            self.state.transaction = None;
        }
    }

    fn count(&self, job: &Job, side: Side, outcome: &Outcome, elapsed: Duration) {
        if !job.runs() {
            return;
        }
        let (node, ran_on) = match (side, &self.primary, &self.replica) {
            (Side::Primary, Some(backend), _) => (&backend.node, RanOn::Primary),
            (Side::Replica, _, Some(backend)) => (&backend.node, RanOn::Replica(backend.number)),
            _ => return,
        };
        let at = Duration::from_millis(self.split.clock.unix().0);
        let rows = outcome.rows.max(outcome.affected_rows);
        let sample = Sample {
            shape: job.needs.shape,
            took: elapsed,
            rows,
            failed: outcome.end != End::Ok,
            ran_on,
            at,
        };
        let live = self.split.live();
        let thread = usize::try_from(self.card.id).unwrap_or_default() % live.threads.max(1);
        self.split.digests.record(thread, &sample, || self.shape(job).into());
        if elapsed >= live.limits.slow_statement() {
            self.split.slow.record(SlowStatement {
                at,
                took: elapsed,
                rows,
                session: u64::from(self.card.id),
                node: node.as_str().into(),
                shape: job.needs.shape,
                text: self.shape(job).into(),
            });
        }
    }
}

/// Statements prepared, executed and forgotten by name. The pin that ends with it.
fn named(holdings: &mut Holdings, text: &[u8], dialect: Dialect) -> Option<Pin> {
    match classify(text, dialect).class {
        Class::TextPrepare { name, literal } => {
            let opaque = literal.is_none_or(|literal| {
                let inner = unquote_or_same(literal, dialect);
                Needs::of(&inner, &classify(&inner, dialect)).hold != Hold::None
            });
            holdings.prepared(name, opaque);
        }
        Class::TextExecute { name } => holdings.executed(name),
        Class::TextDeallocate { name } => return holdings.forgot(name),
        _ => {}
    }
    None
}

/// How a statement shows in the binlog.
pub(super) const fn mark(needs: &Needs, wire: Wire) -> Option<Mark> {
    match needs.effect {
        Effect::Dml | Effect::DmlReturning | Effect::Load(_) | Effect::Ddl => match wire {
            Wire::Marked | Wire::Statement(_) => Some(needs.mark),
            Wire::AsIs => Some(Mark::None),
        },
        Effect::Unknown => Some(Mark::None),
        Effect::Read if needs.facts.has(Facts::MAY_WRITE) => Some(Mark::None),
        Effect::Read | Effect::Begin | Effect::Commit | Effect::Rollback | Effect::Savepoint | Effect::Session => None,
    }
}

/// What in a transaction cannot be done twice.
fn unrepeatable(needs: &Needs, command: Command) -> Option<&'static str> {
    match (needs.effect, command) {
        (Effect::Load(true), _) => Some("LOAD DATA LOCAL"),
        (_, Command::StmtFetch) => Some("an open cursor"),
        _ => needs.pin.map(Pin::name),
    }
}

/// Errors after which the server has rolled the whole transaction back: a deadlock, and a lost lock wait if it is set so.
const fn rolls_back(outcome: &Outcome) -> bool {
    matches!(
        outcome.end,
        End::Err {
            code: DEADLOCK | CHECK_READ,
            ..
        }
    )
}
