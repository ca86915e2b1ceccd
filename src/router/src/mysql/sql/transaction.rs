//! Where transactions start and end.

use super::classify::{Decision, UNKNOWN};
use super::lex::{Kind, Lexer};
use super::verdict::{Begin, Class, Completion, SavepointAction, WriteKind};

/// Behind `BEGIN` or `START`.
pub(super) fn begin<'a>(begin: bool, lexer: &mut Lexer<'a>) -> Decision<'a> {
    if begin {
        if lexer.eat("NOT") {
            return (Class::Write(WriteKind::Call), "a compound statement");
        }
        lexer.eat("WORK");
        return ended(lexer, Class::Begin(Begin::default()), "starts a transaction");
    }
    if !lexer.eat("TRANSACTION") {
        return (Class::Write(WriteKind::Other), "runs the server");
    }
    let mut started = Begin::default();
    loop {
        if lexer.eat_all(&["READ", "ONLY"]) {
            started.read_only = Some(true);
        } else if lexer.eat_all(&["READ", "WRITE"]) {
            started.read_only = Some(false);
        } else if lexer.eat_all(&["WITH", "CONSISTENT", "SNAPSHOT"]) {
            started.snapshot = true;
        } else {
            break;
        }
        if lexer.peek().is_none_or(|token| token.kind != Kind::Comma) {
            break;
        }
        lexer.next();
    }
    let why = if started.read_only == Some(true) {
        "starts a read-only transaction"
    } else {
        "starts a transaction"
    };
    ended(lexer, Class::Begin(started), why)
}

/// Behind `COMMIT`.
pub(super) fn commit<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    let completion = completion(lexer);
    ended(lexer, Class::Commit(completion), "ends the transaction")
}

/// Behind `ROLLBACK`.
pub(super) fn rollback<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    lexer.eat("WORK");
    if lexer.eat("TO") {
        return (
            Class::Savepoint(SavepointAction::RollbackTo),
            "belongs to the transaction",
        );
    }
    let completion = completion(lexer);
    ended(lexer, Class::Rollback(completion), "ends the transaction")
}

/// Behind `SAVEPOINT` or `RELEASE`.
pub(super) fn savepoint<'a>(set: bool, lexer: &mut Lexer<'a>) -> Decision<'a> {
    let action = if set {
        SavepointAction::Set
    } else {
        SavepointAction::Release
    };
    if !set && !lexer.eat("SAVEPOINT") {
        return UNKNOWN;
    }
    (Class::Savepoint(action), "belongs to the transaction")
}

/// `[WORK] [AND [NO] CHAIN] [[NO] RELEASE]`.
fn completion(lexer: &mut Lexer<'_>) -> Completion {
    lexer.eat("WORK");
    let mut completion = Completion::default();
    if lexer.eat_all(&["AND", "NO", "CHAIN"]) {
        completion.chain = Some(false);
    } else if lexer.eat_all(&["AND", "CHAIN"]) {
        completion.chain = Some(true);
    }
    if lexer.eat_all(&["NO", "RELEASE"]) {
        completion.release = Some(false);
    } else if lexer.eat("RELEASE") {
        completion.release = Some(true);
    }
    completion
}

fn ended<'a>(lexer: &Lexer<'a>, class: Class<'a>, why: &'static str) -> Decision<'a> {
    if lexer.at_end() { (class, why) } else { UNKNOWN }
}
