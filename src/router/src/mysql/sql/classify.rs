//! From a text to its verdict.
//!
//! One pass over all tokens ([`super::scan`]) finds what does not depend on the verb; the verb then decides. A `SELECT`
//! needs no second look; other statements are looked at again, from the start and only as far as needed.

use super::lex::{Dialect, Kind, Lexer};
use super::scan::{Scan, scan};
use super::verdict::{Class, Facts, ShowQuorate, Verdict, WriteKind};
use super::word::{constant, key};
use super::{explain, kill, locks, prepare, set, show, transaction, write};

/// What a statement is. Never fails: what is not understood belongs on the primary.
pub(crate) fn classify(text: &[u8], dialect: Dialect) -> Verdict<'_> {
    let mut scan = scan(text, dialect);
    let (class, why) = decide(text, dialect, &mut scan);
    Verdict {
        class,
        why,
        facts: scan.facts,
        hint: scan.hint,
        shape: scan.shape,
    }
}

/// A class and the reason for it.
pub(super) type Decision<'a> = (Class<'a>, &'static str);

/// What is not understood.
pub(super) const UNKNOWN: Decision<'static> = (Class::Unknown, "not understood");

fn decide<'a>(text: &'a [u8], dialect: Dialect, scan: &mut Scan<'a>) -> Decision<'a> {
    if scan.unsure {
        return (Class::Unknown, "servers may read this text differently");
    }
    if scan.empty {
        return (Class::Unknown, "empty");
    }
    if scan.several && !has_body(text, dialect) {
        return (Class::Multi, "several statements");
    }
    if scan.facts.has(Facts::TAKES_USER_LOCK) || scan.facts.has(Facts::RELEASES_USER_LOCK) {
        locks::note(text, dialect, scan);
    }
    if scan.verb == SELECT {
        return select(text, dialect, scan);
    }
    let mut lexer = Lexer::new(text, dialect);
    while lexer.peek().is_some_and(|token| token.kind == Kind::Open) {
        lexer.next();
    }
    if lexer.next().is_none_or(|token| token.kind != Kind::Word) {
        return UNKNOWN;
    }
    statement(scan.verb, &mut lexer, scan)
}

const ALTER: u64 = constant("ALTER");
const ANALYZE: u64 = constant("ANALYZE");
const BACKUP: u64 = constant("BACKUP");
const BEGIN: u64 = constant("BEGIN");
const BINLOG: u64 = constant("BINLOG");
const CACHE: u64 = constant("CACHE");
const CALL: u64 = constant("CALL");
const CASE: u64 = constant("CASE");
const CHANGE: u64 = constant("CHANGE");
const CHECK: u64 = constant("CHECK");
const CHECKSUM: u64 = constant("CHECKSUM");
const COMMIT: u64 = constant("COMMIT");
const CREATE: u64 = constant("CREATE");
const DEALLOCA: u64 = constant("DEALLOCA");
const DELETE: u64 = constant("DELETE");
const DESC: u64 = constant("DESC");
const DESCRIBE: u64 = constant("DESCRIBE");
const DO: u64 = constant("DO");
const DROP: u64 = constant("DROP");
const EXECUTE: u64 = constant("EXECUTE");
const EXPLAIN: u64 = constant("EXPLAIN");
const FLUSH: u64 = constant("FLUSH");
const FOR: u64 = constant("FOR");
const GET: u64 = constant("GET");
const GRANT: u64 = constant("GRANT");
const HANDLER: u64 = constant("HANDLER");
const HELP: u64 = constant("HELP");
const IF: u64 = constant("IF");
const INSERT: u64 = constant("INSERT");
const INSTALL: u64 = constant("INSTALL");
const KILL: u64 = constant("KILL");
const LOAD: u64 = constant("LOAD");
const LOCK: u64 = constant("LOCK");
const LOOP: u64 = constant("LOOP");
const OPTIMIZE: u64 = constant("OPTIMIZE");
const PREPARE: u64 = constant("PREPARE");
const PURGE: u64 = constant("PURGE");
const RELEASE: u64 = constant("RELEASE");
const RENAME: u64 = constant("RENAME");
const REPAIR: u64 = constant("REPAIR");
const REPEAT: u64 = constant("REPEAT");
const REPLACE: u64 = constant("REPLACE");
const RESET: u64 = constant("RESET");
const REVOKE: u64 = constant("REVOKE");
const ROLLBACK: u64 = constant("ROLLBACK");
const SAVEPOIN: u64 = constant("SAVEPOIN");
const SELECT: u64 = constant("SELECT");
const SET: u64 = constant("SET");
const SHOW: u64 = constant("SHOW");
const SHUTDOWN: u64 = constant("SHUTDOWN");
const START: u64 = constant("START");
const STOP: u64 = constant("STOP");
const TRUNCATE: u64 = constant("TRUNCATE");
const UNINSTAL: u64 = constant("UNINSTAL");
const UNLOCK: u64 = constant("UNLOCK");
const UPDATE: u64 = constant("UPDATE");
const USE: u64 = constant("USE");
const VALUES: u64 = constant("VALUES");
const WHILE: u64 = constant("WHILE");
const WITH: u64 = constant("WITH");
const XA: u64 = constant("XA");

/// Decides by the verb, which the lexer is just behind.
pub(super) fn statement<'a>(verb: u64, lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    match verb {
        SELECT | VALUES | HELP | CHECKSUM => read(scan),
        WITH => with(lexer, scan),
        INSERT | UPDATE | DELETE | REPLACE | LOAD => write::change(verb, lexer, scan),
        CALL => write::call(scan),
        IF | CASE | LOOP | WHILE | REPEAT | FOR => (Class::Write(WriteKind::Call), "a compound statement"),
        BEGIN | START => transaction::begin(verb == BEGIN, lexer),
        COMMIT => transaction::commit(lexer),
        ROLLBACK => transaction::rollback(lexer),
        SAVEPOIN | RELEASE => transaction::savepoint(verb == SAVEPOIN, lexer),
        XA => locks::xa(lexer),
        SET => set::classify(lexer, scan),
        USE => session_use(lexer),
        PREPARE => prepare::prepare(lexer),
        EXECUTE => prepare::execute(lexer, scan),
        DEALLOCA => prepare::deallocate(lexer),
        DROP if lexer.peek().is_some_and(|token| token.is("PREPARE")) => prepare::deallocate(lexer),
        KILL => kill::classify(lexer),
        SHOW => show::classify(lexer, scan),
        EXPLAIN | DESCRIBE | DESC => explain::explain(lexer, scan),
        ANALYZE => explain::analyze(lexer, scan),
        LOCK | UNLOCK | BACKUP | FLUSH => write::locks(verb, lexer),
        ALTER | CREATE | DROP | RENAME | TRUNCATE | GRANT | REVOKE | OPTIMIZE | REPAIR | CHECK | INSTALL | UNINSTAL => {
            (Class::Write(WriteKind::Ddl), "changes schema, tables or accounts")
        }
        RESET | PURGE | CHANGE | STOP | SHUTDOWN | BINLOG | CACHE => {
            (Class::Write(WriteKind::Other), "runs the server")
        }
        DO => {
            scan.facts.add(Facts::MAY_WRITE);
            (Class::ReadPrimary, "DO is for its side effects")
        }
        HANDLER => locks::handler(lexer, scan),
        GET => (Class::ReadLast, "GET DIAGNOSTICS"),
        _ => UNKNOWN,
    }
}

/// A statement that reads, by what the pass over its tokens found.
pub(super) fn read<'a>(scan: &mut Scan<'a>) -> Decision<'a> {
    if scan.primary.is_some() && scan.last.is_some() {
        scan.facts.add(Facts::ASKS_LAST);
    }
    if let Some(why) = scan.primary {
        return (Class::ReadPrimary, why);
    }
    if let Some(why) = scan.last {
        return (Class::ReadLast, why);
    }
    if scan.connection_id {
        return (Class::ReadPrimary, "CONNECTION_ID() of the primary's connection");
    }
    (Class::Read, "only reads")
}

fn select<'a>(text: &'a [u8], dialect: Dialect, scan: &mut Scan<'a>) -> Decision<'a> {
    if scan.connection_id
        && let Some(column) = connection_id(text, dialect)
    {
        return (Class::ConnectionId { column }, "the router's own id of this session");
    }
    read(scan)
}

/// Exactly `SELECT CONNECTION_ID() [[AS] alias] [LIMIT n]`: the name of its column.
fn connection_id(text: &[u8], dialect: Dialect) -> Option<&[u8]> {
    let mut lexer = Lexer::new(text, dialect);
    if !lexer.eat("SELECT") {
        return None;
    }
    let call = lexer.next().filter(|token| token.is("CONNECTION_ID"))?;
    if lexer.next()?.kind != Kind::Open || lexer.next()?.kind != Kind::Close {
        return None;
    }
    let end = text.len().saturating_sub(lexer.rest().len());
    let start = call.text.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let mut column = text.get(start..end)?;
    let named = lexer.eat("AS");
    if named
        || lexer
            .peek()
            .is_some_and(|token| !token.is("LIMIT") && token.kind != Kind::Semicolon)
    {
        column = lexer.next()?.name()?;
    }
    if lexer.eat("LIMIT") && lexer.next()?.text == b"0" {
        return None;
    }
    lexer.at_end().then_some(column)
}

/// `WITH`: the first verb outside of parentheses decides.
fn with<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    let mut depth = 0_u32;
    for token in lexer.by_ref() {
        match token.kind {
            Kind::Open => depth = depth.saturating_add(1),
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => match key(token.text) {
                SELECT => return read(scan),
                UPDATE | DELETE | INSERT | REPLACE => return UNKNOWN,
                _ => {}
            },
            _ => {}
        }
    }
    UNKNOWN
}

fn session_use<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    let name = lexer.next().and_then(|token| token.name());
    name.filter(|_| lexer.at_end())
        .map_or(UNKNOWN, |name| (Class::Use(name), "chooses a database"))
}

/// Whether the semicolons may belong to a body: stored programs, events, compound statements.
fn has_body(text: &[u8], dialect: Dialect) -> bool {
    let mut lexer = Lexer::new(text, dialect);
    match lexer.next().map_or(0, |token| key(token.text)) {
        CREATE | ALTER => lexer.take(12).any(|token| {
            ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"]
                .iter()
                .any(|word| token.is(word))
        }),
        BEGIN => lexer.eat("NOT"),
        IF | CASE | LOOP | WHILE | REPEAT | FOR => true,
        _ => false,
    }
}

/// For the router's own tables.
pub(super) const fn local<'a>(table: ShowQuorate) -> Decision<'a> {
    (Class::ShowQuorate(table), "the router answers")
}

#[cfg(test)]
#[path = "classify_test.rs"]
mod tests;
