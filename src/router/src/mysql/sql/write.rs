//! Statements that change something, and table locks.

use super::classify::{Decision, UNKNOWN};
use super::lex::Lexer;
use super::scan::Scan;
use super::verdict::{Class, Facts, Verb, WriteKind};
use super::word::constant;

const UPDATE: u64 = constant("UPDATE");
const DELETE: u64 = constant("DELETE");
const REPLACE: u64 = constant("REPLACE");
const LOAD: u64 = constant("LOAD");
const LOCK: u64 = constant("LOCK");
const UNLOCK: u64 = constant("UNLOCK");
const BACKUP: u64 = constant("BACKUP");

/// Behind the verb of a data change.
pub(super) fn change<'a>(verb: u64, lexer: &mut Lexer<'a>, scan: &Scan<'a>) -> Decision<'a> {
    let verb = match verb {
        UPDATE => Verb::Update,
        DELETE => Verb::Delete,
        REPLACE => Verb::Replace,
        LOAD => return load(lexer),
        _ => Verb::Insert,
    };
    let kind = if scan.facts.has(Facts::RETURNING) {
        WriteKind::DmlReturning(verb)
    } else {
        WriteKind::Dml(verb)
    };
    (Class::Write(kind), "changes data")
}

fn load<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    if !lexer.eat("DATA") && !lexer.eat("XML") {
        return (Class::Write(WriteKind::Other), "runs the server");
    }
    let _ = lexer.eat("LOW_PRIORITY") || lexer.eat("CONCURRENT");
    let local = lexer.eat("LOCAL");
    (Class::Write(WriteKind::Load { local }), "loads data")
}

/// `CALL`.
pub(super) fn call<'a>(scan: &mut Scan<'a>) -> Decision<'a> {
    if scan.facts.has(Facts::READS_USER_VARIABLES) {
        // An OUT parameter is a user variable.
        scan.facts.add(Facts::SETS_USER_VARIABLES);
    }
    (Class::Write(WriteKind::Call), "a procedure may do anything")
}

/// Behind `LOCK`, `UNLOCK`, `BACKUP` or `FLUSH`.
pub(super) fn locks<'a>(verb: u64, lexer: &mut Lexer<'a>) -> Decision<'a> {
    let tables = |lexer: &mut Lexer<'_>| lexer.eat("TABLES") || lexer.eat("TABLE");
    match verb {
        LOCK if tables(lexer) => (Class::LockTables, "locks tables for this connection"),
        UNLOCK if tables(lexer) => (Class::UnlockTables, "unlocks tables"),
        BACKUP if lexer.eat("UNLOCK") => (Class::UnlockTables, "unlocks tables"),
        BACKUP => (Class::LockTables, "locks tables for this connection"),
        LOCK | UNLOCK => UNKNOWN,
        _ => {
            let _ = lexer.eat("NO_WRITE_TO_BINLOG") || lexer.eat("LOCAL");
            let held = tables(lexer) && lexer.any(|token| token.is("READ") || token.is("EXPORT"));
            if held {
                (Class::LockTables, "locks tables for this connection")
            } else {
                (Class::Write(WriteKind::Other), "runs the server")
            }
        }
    }
}
