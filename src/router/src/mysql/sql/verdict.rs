//! What the classifier can say about a statement.

use super::hint::Hint;

/// What one text is, why, and what else it says that matters later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict<'a> {
    /// Where it may run and what kind of statement it is.
    pub(crate) class: Class<'a>,
    /// One short reason for the class, for `EXPLAIN ROUTE`.
    pub(crate) why: &'static str,
    /// What the text touches besides tables.
    pub(crate) facts: Facts,
    /// The first comment, when it is a routing hint.
    pub(crate) hint: Option<Hint<'a>>,
    /// Hash of the statement's shape; [`super::digest::text`] makes it readable.
    pub(crate) shape: u64,
}

/// The kinds of statement that the router tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class<'a> {
    /// May run on a replica.
    Read,
    /// A read that is right only on the primary. [`Facts::MAY_WRITE`] says whether running it twice could write twice.
    ReadPrimary,
    /// Right only where the last statement ran (`FOUND_ROWS()`, `SHOW WARNINGS`).
    ReadLast,
    /// Changes data, schema, accounts or the server.
    Write(WriteKind),
    /// `BEGIN`, `START TRANSACTION`.
    Begin(Begin),
    /// `COMMIT`.
    Commit(Completion),
    /// `ROLLBACK`, but not to a savepoint.
    Rollback(Completion),
    /// `SAVEPOINT`, `ROLLBACK TO`, `RELEASE SAVEPOINT`.
    Savepoint(SavepointAction),
    /// Session state only: `SET` of session or user variables, `SET NAMES`, `SET ROLE`. [`super::set::effects`] lists it.
    Session,
    /// `USE name`, the name without its quotes (a doubled backtick inside stays doubled).
    Use(&'a [u8]),
    /// `SET` with at least one `GLOBAL` part: the primary's alone, never sprayed. Session parts of the same statement
    /// are in [`super::set::effects`].
    SetGlobal,
    /// `SET PASSWORD`, `SET DEFAULT ROLE`: changes accounts.
    SetPassword,
    /// `SET TRANSACTION …` without `SESSION` or `GLOBAL`: for the next transaction alone.
    SetNextTransaction,
    /// `PREPARE name FROM …`.
    TextPrepare {
        /// The statement's name, without quotes.
        name: &'a [u8],
        /// The literal as written, quotes included; none for `FROM @v` or an expression.
        literal: Option<&'a [u8]>,
    },
    /// `EXECUTE name …`.
    TextExecute {
        /// The statement's name, without quotes.
        name: &'a [u8],
    },
    /// `DEALLOCATE PREPARE name`, `DROP PREPARE name`.
    TextDeallocate {
        /// The statement's name, without quotes.
        name: &'a [u8],
    },
    /// `LOCK TABLES`, `FLUSH TABLES … WITH READ LOCK`, `BACKUP LOCK`/`STAGE`: this connection now holds locks.
    LockTables,
    /// `UNLOCK TABLES`, `BACKUP UNLOCK`.
    UnlockTables,
    /// `XA …`.
    Xa(Xa),
    /// `KILL …`, by the router's ids.
    Kill(Kill<'a>),
    /// `EXPLAIN ROUTE <sql>`: answered by the router; the text after `ROUTE`.
    ExplainRoute(&'a [u8]),
    /// `SHOW QUORATE …`: answered by the router.
    ShowQuorate(ShowQuorate),
    /// Exactly `SELECT CONNECTION_ID()`: answered by the router with its own id.
    ConnectionId {
        /// The name of the column as the server would give it: the alias, or the expression as written.
        column: &'a [u8],
    },
    /// Several statements in one text.
    Multi,
    /// Not understood: the primary.
    Unknown,
}

/// What a write is, as far as its outcome can be found out after a failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// `INSERT`, `UPDATE`, `DELETE`, `REPLACE` without a result set: a marker in the binlog tells whether it happened.
    Dml(Verb),
    /// The same with `RETURNING` (or `ANALYZE` of it): whether it happened can be told, its result set cannot.
    DmlReturning(Verb),
    /// `LOAD DATA`, `LOAD XML`.
    Load {
        /// `LOCAL`: the client sends the file.
        local: bool,
    },
    /// Schema, accounts, table maintenance: commits implicitly.
    Ddl,
    /// `CALL`, compound statements, `EXECUTE IMMEDIATE`: may do anything.
    Call,
    /// Everything else that only the primary may run (`FLUSH`, `RESET`, `SHUTDOWN`, …).
    Other,
}

/// The verb of a data change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `REPLACE`.
    Replace,
}

/// The characteristics that a transaction is started with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Begin {
    /// `READ ONLY` (true), `READ WRITE` (false) or not said.
    pub(crate) read_only: Option<bool>,
    /// `WITH CONSISTENT SNAPSHOT`.
    pub(crate) snapshot: bool,
}

/// What follows a `COMMIT` or `ROLLBACK`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Completion {
    /// `AND CHAIN` (true), `AND NO CHAIN` (false) or not said.
    pub(crate) chain: Option<bool>,
    /// `RELEASE` (true: the server closes the connection), `NO RELEASE` (false) or not said.
    pub(crate) release: Option<bool>,
}

/// What happens to a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SavepointAction {
    /// `SAVEPOINT s`.
    Set,
    /// `ROLLBACK TO s`.
    RollbackTo,
    /// `RELEASE SAVEPOINT s`.
    Release,
}

/// What an `XA` statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Xa {
    /// `START`, `BEGIN`.
    Start,
    /// `END`, `PREPARE`, and what is not known.
    Within,
    /// `COMMIT`, `ROLLBACK`.
    End,
    /// `RECOVER`: shows what others have prepared.
    Recover,
}

/// A parsed `KILL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kill<'a> {
    /// `SOFT`: let an operation finish that would leave a table inconsistent.
    pub(crate) soft: bool,
    /// `QUERY` rather than the connection.
    pub(crate) query: bool,
    /// Whom.
    pub(crate) target: KillTarget<'a>,
}

/// Whom a `KILL` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillTarget<'a> {
    /// A connection id, as the router gave it out.
    Connection(u64),
    /// Exactly `CONNECTION_ID()`.
    Own,
    /// `QUERY ID n`: a server's own query id.
    QueryId,
    /// `USER name`: everything of an account, the text as written.
    User(&'a [u8]),
    /// An expression (`KILL @id`): only a server can evaluate it. Without a closing semicolon.
    Expression(&'a [u8]),
}

/// The router's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShowQuorate {
    /// Epoch, primary, this router.
    Status,
    /// Where statements may go now.
    Routes,
    /// All sessions of this router.
    Sessions,
    /// Statement shapes and their times.
    Digests,
    /// The last slow statements.
    Slow,
    /// This session's causal token.
    Token,
    /// Which statements pinned this session to its connection, and why.
    Pins,
}

/// What a text touches besides tables; a set of the constants below.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts(u32);

impl Facts {
    /// None of them.
    pub(crate) const NONE: Self = Self(0);
    /// Mentions a user variable other than as a target.
    pub(crate) const READS_USER_VARIABLES: Self = Self(1);
    /// Assigns a user variable (`:=`, `SET @v`, `INTO @v`).
    pub(crate) const SETS_USER_VARIABLES: Self = Self(1 << 1);
    /// `CREATE TEMPORARY …` somewhere in the text.
    pub(crate) const CREATES_TEMPORARY: Self = Self(1 << 2);
    /// `DROP TEMPORARY …` somewhere in the text.
    pub(crate) const DROPS_TEMPORARY: Self = Self(1 << 3);
    /// `GET_LOCK()`: the server does not report it, so the text is the only witness.
    pub(crate) const TAKES_USER_LOCK: Self = Self(1 << 4);
    /// `RELEASE_LOCK()` or `RELEASE_ALL_LOCKS()`.
    pub(crate) const RELEASES_USER_LOCK: Self = Self(1 << 5);
    /// `SQL_CALC_FOUND_ROWS`: a `FOUND_ROWS()` will follow.
    pub(crate) const CALCULATES_FOUND_ROWS: Self = Self(1 << 6);
    /// `SET autocommit`.
    pub(crate) const SETS_AUTOCOMMIT: Self = Self(1 << 7);
    /// Classed as a read, yet running it twice might write twice (stored function, sequence, `INTO OUTFILE`).
    pub(crate) const MAY_WRITE: Self = Self(1 << 8);
    /// `HANDLER … OPEN`: a cursor that lives in the connection.
    pub(crate) const OPENS_HANDLER: Self = Self(1 << 9);
    /// Contains a `RETURNING` clause.
    pub(crate) const RETURNING: Self = Self(1 << 10);
    /// `SET STATEMENT … FOR`: runs under other variables than the session's.
    pub(crate) const SET_STATEMENT: Self = Self(1 << 11);
    /// `SET` of a session variable that decides what of a statement is in the binlog, and as what (`sql_log_bin`,
    /// `binlog_annotate_row_events`, `gtid_seq_no`, …): afterwards a missing marker proves nothing.
    pub(crate) const CHANGES_BINLOGGING: Self = Self(1 << 12);

    /// Exactly `SELECT GET_LOCK(…)` or `SELECT RELEASE_LOCK(…)`: its only value says what became of one lock.
    pub(crate) const ONE_LOCK_CALL: Self = Self(1 << 13);
    /// Exactly `SELECT` or `DO RELEASE_ALL_LOCKS()`.
    pub(crate) const RELEASES_ALL_LOCKS: Self = Self(1 << 14);
    /// `HANDLER … CLOSE`.
    pub(crate) const CLOSES_HANDLER: Self = Self(1 << 15);

    /// Asks for what the last statement has left as well as for what only the primary knows (`LAST_INSERT_ID(), ROW_COUNT()`).
    pub(crate) const ASKS_LAST: Self = Self(1 << 16);

    /// Whether all of `other` are in here.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds `other`.
    pub(crate) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Takes `other` out.
    pub(crate) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    const NAMES: [(Self, &'static str); 17] = [
        (Self::READS_USER_VARIABLES, "reads user variables"),
        (Self::SETS_USER_VARIABLES, "sets user variables"),
        (Self::CREATES_TEMPORARY, "creates a temporary table"),
        (Self::DROPS_TEMPORARY, "drops a temporary table"),
        (Self::TAKES_USER_LOCK, "takes a user lock"),
        (Self::RELEASES_USER_LOCK, "releases a user lock"),
        (Self::CALCULATES_FOUND_ROWS, "calculates found rows"),
        (Self::SETS_AUTOCOMMIT, "sets autocommit"),
        (Self::MAY_WRITE, "may write"),
        (Self::OPENS_HANDLER, "opens a handler"),
        (Self::RETURNING, "returns rows of a write"),
        (Self::SET_STATEMENT, "runs under SET STATEMENT"),
        (Self::CHANGES_BINLOGGING, "changes what is in the binlog"),
        (Self::ONE_LOCK_CALL, "says what became of one user lock"),
        (Self::RELEASES_ALL_LOCKS, "releases all user locks"),
        (Self::CLOSES_HANDLER, "closes a handler"),
        (Self::ASKS_LAST, "asks for what the last statement left"),
    ];

    /// The facts in words, for `EXPLAIN ROUTE`.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .filter(move |(fact, _)| self.has(*fact))
            .map(|(_, name)| *name)
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Class<'_> {
    /// The class in one word, for `EXPLAIN ROUTE` and metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadPrimary => "read-primary",
            Self::ReadLast => "read-last",
            Self::Write(WriteKind::Dml(_) | WriteKind::DmlReturning(_)) => "write",
            Self::Write(WriteKind::Load { .. }) => "load",
            Self::Write(WriteKind::Ddl) => "ddl",
            Self::Write(WriteKind::Call) => "call",
            Self::Write(WriteKind::Other) => "admin",
            Self::Begin(_) => "begin",
            Self::Commit(_) => "commit",
            Self::Rollback(_) => "rollback",
            Self::Savepoint(_) => "savepoint",
            Self::Session | Self::Use(_) => "session",
            Self::SetGlobal => "set-global",
            Self::SetPassword => "set-password",
            Self::SetNextTransaction => "set-transaction",
            Self::TextPrepare { .. } => "prepare",
            Self::TextExecute { .. } => "execute",
            Self::TextDeallocate { .. } => "deallocate",
            Self::LockTables => "lock-tables",
            Self::UnlockTables => "unlock-tables",
            Self::Xa(_) => "xa",
            Self::Kill(_) => "kill",
            Self::ExplainRoute(_) | Self::ShowQuorate(_) | Self::ConnectionId { .. } => "local",
            Self::Multi => "multi",
            Self::Unknown => "unknown",
        }
    }
}
