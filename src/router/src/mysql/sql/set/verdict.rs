//! What a `SET` is as a whole.

use super::{Target, effects};
use crate::mysql::sql::classify::{Decision, UNKNOWN, statement};
use crate::mysql::sql::lex::{Kind, Lexer};
use crate::mysql::sql::scan::Scan;
use crate::mysql::sql::verdict::{Class, Facts, WriteKind};
use crate::mysql::sql::word::{is, is_any, key};

/// Session variables that decide whether and how a statement is in the binlog.
const BINLOGGING: [&str; 7] = [
    "SQL_LOG_BIN",
    "BINLOG_ANNOTATE_ROW_EVENTS",
    "BINLOG_FORMAT",
    "SKIP_REPLICATION",
    "GTID_DOMAIN_ID",
    "GTID_SEQ_NO",
    "SERVER_ID",
];

/// Behind `SET`, for the classifier.
pub(in crate::mysql::sql) fn classify<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    if lexer.eat("STATEMENT") {
        return for_statement(lexer, scan);
    }
    let mut whole = Whole::Nothing;
    let mut reads = false;
    for effect in effects(lexer.text(), lexer.dialect()) {
        reads |= Lexer::new(effect.value, lexer.dialect()).any(|token| token.kind == Kind::UserVar);
        match effect.target {
            Target::Variable(name) if is_any(name, &BINLOGGING) => scan.facts.add(Facts::CHANGES_BINLOGGING),
            Target::Variable(name) if is(name, "AUTOCOMMIT") => scan.facts.add(Facts::SETS_AUTOCOMMIT),
            Target::User(_) | Target::CausalReads | Target::Token => scan.facts.add(Facts::SETS_USER_VARIABLES),
            _ => {}
        }
        whole = whole.max(Whole::of(&effect.target));
    }
    if !reads {
        scan.facts.remove(Facts::READS_USER_VARIABLES);
    }
    match whole {
        Whole::Nothing | Whole::Unknown => UNKNOWN,
        Whole::Session => (Class::Session, "sets session state"),
        Whole::NextTransaction => (Class::SetNextTransaction, "for the next transaction alone"),
        Whole::Global => (Class::SetGlobal, "sets a global variable: on the primary alone"),
        Whole::Account => (Class::SetPassword, "changes an account"),
    }
}

/// What kind a `SET` is as a whole: the highest of its parts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whole {
    #[default]
    Nothing,
    Session,
    NextTransaction,
    Global,
    Account,
    Unknown,
}

impl Whole {
    const fn of(target: &Target<'_>) -> Self {
        match target {
            Target::Variable(_)
            | Target::User(_)
            | Target::Names
            | Target::Charset
            | Target::Role
            | Target::Transaction
            | Target::CausalReads
            | Target::Token => Self::Session,
            Target::NextTransaction | Target::NextVariable(_) => Self::NextTransaction,
            Target::Global(_) | Target::GlobalTransaction => Self::Global,
            Target::Account => Self::Account,
            Target::Unknown => Self::Unknown,
        }
    }
}

/// `SET STATEMENT … FOR statement`: what the statement is, except that a write's outcome cannot be told any more (its
/// variables may keep it out of the binlog).
fn for_statement<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    scan.facts.add(Facts::SET_STATEMENT);
    if !lexer.any(|token| token.is("FOR")) {
        return UNKNOWN;
    }
    while lexer.peek().is_some_and(|token| token.kind == Kind::Open) {
        lexer.next();
    }
    let Some(verb) = lexer
        .next()
        .filter(|token| token.kind == Kind::Word && !token.is("SET"))
    else {
        return UNKNOWN;
    };
    match statement(key(verb.text), lexer, scan) {
        (Class::Write(WriteKind::Dml(_) | WriteKind::DmlReturning(_)), _) => {
            (Class::Write(WriteKind::Other), "changes data under SET STATEMENT")
        }
        decision => decision,
    }
}
