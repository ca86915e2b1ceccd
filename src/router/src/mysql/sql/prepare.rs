//! Statements prepared by name, in text.

use super::classify::{Decision, UNKNOWN};
use super::lex::{Kind, Lexer};
use super::scan::Scan;
use super::verdict::{Class, Facts, WriteKind};

/// Behind `PREPARE`.
pub(super) fn prepare<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    let Some(name) = lexer.next().and_then(|token| token.name()) else {
        return UNKNOWN;
    };
    if !lexer.eat("FROM") {
        return UNKNOWN;
    }
    let literal = lexer
        .next()
        .filter(|token| token.kind == Kind::Text && lexer.at_end())
        .map(|token| token.text);
    (Class::TextPrepare { name, literal }, "prepares a statement by name")
}

/// Behind `EXECUTE`.
pub(super) fn execute<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    if lexer.eat("IMMEDIATE") {
        scan.facts.add(Facts::MAY_WRITE);
        return (Class::Write(WriteKind::Call), "EXECUTE IMMEDIATE may do anything");
    }
    let name = lexer.next().and_then(|token| token.name());
    name.map_or(UNKNOWN, |name| {
        (Class::TextExecute { name }, "executes a statement by name")
    })
}

/// Behind `DEALLOCATE` or `DROP`.
pub(super) fn deallocate<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    if !lexer.eat("PREPARE") {
        return UNKNOWN;
    }
    let name = lexer.next().and_then(|token| token.name()).filter(|_| lexer.at_end());
    name.map_or(UNKNOWN, |name| {
        (Class::TextDeallocate { name }, "forgets a prepared statement")
    })
}
