//! What a statement needs and does, without its text; kept with prepared statements.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::config::CausalLevel;
use crate::mysql::recover::marker::{Mark, mark_of};
use crate::mysql::session::holdings::Hold;
use crate::mysql::session::pins::Pin;
use crate::mysql::sql::hint::{Causal, RouteTo};
use crate::mysql::sql::verdict::{Class, Completion, Facts, Verdict, WriteKind, Xa};

/// Where a statement may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a replica, or the primary.
    Anywhere,
    /// Where the last statement ran.
    WhereLast,
    /// On the primary.
    Primary,
}

/// What it does, as far as the router must care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: a read.
    Read,
    /// Changes rows, and a marker in the binlog tells whether it did.
    Dml,
    /// The same, but its answer has rows that cannot be had again.
    DmlReturning,
    /// `LOAD DATA`; `true` if the client sends the file.
    Load(bool),
    /// Schema, accounts: commits by itself.
    Ddl,
    /// Starts a transaction.
    Begin,
    /// Ends one.
    Commit,
    /// Ends one.
    Rollback,
    /// Within one.
    Savepoint,
    /// Session state only.
    Session,
    /// Anything else: may do anything.
    Unknown,
}

/// What becomes of it while a read-only transaction is open on a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// It belongs to the transaction.
    Part,
    /// It ends the transaction, as it does at a server, and then changes something: there is nothing to keep.
    End,
    /// It is none of the transaction's business, but the primary's: settings, accounts, the server itself.
    Beside,
    /// Several statements, which may be any of these.
    Several,
}

/// A comment's wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Where to.
    pub(crate) place: Option<WishPlace>,
    /// Most lag of a replica.
    pub(crate) max_lag: Option<Duration>,
    /// How much must be seen.
    pub(crate) causal: Option<Causal>,
    /// What must be seen.
    pub(crate) token: Option<u64>,
}

/// Where a comment wants a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WishPlace {
    /// On the primary.
    Primary,
    /// On a replica.
    Replica,
    /// Where the last one ran.
    Last,
    /// On a node: a hash of its name, since this is kept by value.
    Node(u64),
}

/// The hash by which a wish names a node.
pub(crate) fn node_hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// What a statement needs and does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) place: Place,
    pub(crate) effect: Effect,
    /// How it will show in the binlog if its marker is put before it.
    pub(crate) mark: Mark,
    pub(crate) facts: Facts,
    /// Says something of the next transaction.
    pub(crate) next_transaction: bool,
    /// Starts a transaction that only reads.
    pub(crate) read_only: bool,
    /// In such a transaction.
    pub(crate) within: Within,
    /// `KILL` by the router's ids.
    pub(crate) kills: bool,
    /// What it takes or gives back of the connection's own.
    pub(crate) hold: Hold,
    /// Holds the session where it is, from now on.
    pub(crate) pin: Option<Pin>,
    /// For people.
    pub(crate) why: &'static str,
    /// Hash of the statement's shape.
    pub(crate) shape: u64,
    pub(crate) wish: Wish,
}

impl Needs {
    /// A statement of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self {
        place: Place::Primary,
        effect: Effect::Unknown,
        mark: Mark::None,
        facts: Facts::NONE,
        next_transaction: false,
        read_only: false,
        within: Within::Part,
        kills: false,
        hold: Hold::None,
        pin: None,
        why: "not understood",
        shape: 0,
        wish: Wish {
            place: None,
            max_lag: None,
            causal: None,
            token: None,
        },
    };

    /// Of a classified text.
    pub(crate) fn of(text: &[u8], verdict: &Verdict<'_>) -> Self {
        let place = match verdict.class {
            Class::Read => Place::Anywhere,
            Class::ReadLast => Place::WhereLast,
            _ => Place::Primary,
        };
        let read_only = matches!(verdict.class, Class::Begin(begin) if begin.read_only == Some(true));
        let effect = effect(&verdict.class);
        let mark = match effect {
            Effect::Dml | Effect::DmlReturning | Effect::Load(_) | Effect::Ddl => mark_of(text),
            _ => Mark::None,
        };
        Self {
            place,
            effect,
            mark,
            facts: verdict.facts,
            next_transaction: matches!(verdict.class, Class::SetNextTransaction),
            read_only,
            within: within(verdict),
            kills: matches!(verdict.class, Class::Kill(_)),
            hold: hold(verdict),
            pin: pin(verdict),
            why: verdict.why,
            shape: verdict.shape,
            wish: wish(verdict),
        }
    }

    /// Without a marker, for a session in which it would prove nothing.
    pub(crate) fn unmarked(self) -> Self {
        Self {
            mark: Mark::None,
            ..self
        }
    }

    /// Whether a marker is put before its text.
    pub(crate) const fn is_marked(&self) -> bool {
        !matches!(self.mark, Mark::None)
    }

    /// Whether running it twice is the same as once.
    pub(crate) const fn is_repeatable(&self) -> bool {
        matches!(self.effect, Effect::Read) && !self.facts.has(Facts::MAY_WRITE)
    }
}

fn effect(class: &Class<'_>) -> Effect {
    match class {
        Class::Read | Class::ReadPrimary | Class::ReadLast => Effect::Read,
        Class::Write(WriteKind::Dml(_)) => Effect::Dml,
        Class::Write(WriteKind::DmlReturning(_)) => Effect::DmlReturning,
        Class::Write(WriteKind::Load { local }) => Effect::Load(*local),
        Class::Write(WriteKind::Ddl) | Class::SetPassword => Effect::Ddl,
        Class::Begin(_) => Effect::Begin,
        Class::Commit(then) if is_plain(then) => Effect::Commit,
        Class::Rollback(then) if is_plain(then) => Effect::Rollback,
        Class::Savepoint(_) => Effect::Savepoint,
        Class::Session | Class::Use(_) | Class::SetNextTransaction => Effect::Session,
        _ => Effect::Unknown,
    }
}

fn within(verdict: &Verdict<'_>) -> Within {
    // Temporary tables are not the schema's.
    let temporary = [Facts::CREATES_TEMPORARY, Facts::DROPS_TEMPORARY];
    match verdict.class {
        Class::Begin(begin) if begin.read_only != Some(true) => Within::End,
        Class::Write(WriteKind::Ddl) if !temporary.iter().any(|fact| verdict.facts.has(*fact)) => Within::End,
        Class::SetGlobal | Class::SetPassword | Class::Write(WriteKind::Other) => Within::Beside,
        Class::Multi => Within::Several,
        _ => Within::Part,
    }
}

/// Whether it does nothing but end the transaction: neither another one begins nor the connection ends.
fn is_plain(completion: &Completion) -> bool {
    completion.chain != Some(true) && completion.release != Some(true)
}

fn pin(verdict: &Verdict<'_>) -> Option<Pin> {
    let facts = verdict.facts;
    match verdict.class {
        Class::TextPrepare { .. } => Some(Pin::PreparedText),
        Class::LockTables => Some(Pin::LockedTables),
        Class::Xa(Xa::Start | Xa::Within) => Some(Pin::XaTransaction),
        _ if facts.has(Facts::CREATES_TEMPORARY) => Some(Pin::TemporaryTable),
        _ if facts.has(Facts::TAKES_USER_LOCK) => Some(Pin::UserLock),
        _ if facts.has(Facts::OPENS_HANDLER) => Some(Pin::Handler),
        // What a SET gives a user variable is looked at literally; see `effects`.
        Class::Session => None,
        _ if facts.has(Facts::SETS_USER_VARIABLES) => Some(Pin::UserVariable),
        _ => None,
    }
}

fn hold(verdict: &Verdict<'_>) -> Hold {
    let facts = verdict.facts;
    match verdict.class {
        Class::UnlockTables => Hold::UnlockTables,
        Class::Xa(Xa::End) => Hold::EndXa,
        Class::TextPrepare { .. } => Hold::PrepareText,
        Class::TextExecute { .. } => Hold::ExecuteText,
        Class::TextDeallocate { .. } => Hold::ForgetText,
        Class::Write(WriteKind::Call) | Class::Multi | Class::Unknown => Hold::Opaque,
        _ if facts.has(Facts::RELEASES_ALL_LOCKS) => Hold::ReleaseLocks,
        _ if facts.has(Facts::TAKES_USER_LOCK) => Hold::TakeLock(facts.has(Facts::ONE_LOCK_CALL)),
        _ if facts.has(Facts::ONE_LOCK_CALL) => Hold::ReleaseLock,
        _ if facts.has(Facts::OPENS_HANDLER) => Hold::OpenHandler,
        _ if facts.has(Facts::CLOSES_HANDLER) => Hold::CloseHandler,
        // Elsewhere a list of columns looks like a call; and a lock that a trigger takes is seen by nobody either.
        Class::Read | Class::ReadPrimary | Class::ReadLast if facts.has(Facts::MAY_WRITE) => Hold::Opaque,
        _ => Hold::None,
    }
}

fn wish(verdict: &Verdict<'_>) -> Wish {
    let Some(hint) = verdict.hint else {
        return Wish::default();
    };
    let place = hint.route.map(|route| match route {
        RouteTo::Primary => WishPlace::Primary,
        RouteTo::Replica => WishPlace::Replica,
        RouteTo::Node(name) => WishPlace::Node(node_hash(name)),
        RouteTo::Last => WishPlace::Last,
    });
    Wish {
        place,
        max_lag: hint.max_lag,
        causal: hint.causal,
        token: hint.token,
    }
}

impl From<CausalLevel> for Causal {
    fn from(level: CausalLevel) -> Self {
        match level {
            CausalLevel::None => Self::None,
            CausalLevel::Session => Self::Session,
            CausalLevel::Global => Self::Global,
        }
    }
}
