//! Statements about user locks and handlers whose effect is plain from their text.

use super::classify::{Decision, UNKNOWN};
use super::lex::{Dialect, Kind, Lexer};
use super::scan::Scan;
use super::verdict::{Class, Facts, Xa};
use super::word::is_any;

/// Calls that take or release user locks.
const CALLS: [&str; 3] = ["GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS"];

/// Whether a text with such a call is that one call and nothing else, so that its answer tells what became of it:
/// `SELECT call(…) [[AS] alias]`, and `DO RELEASE_ALL_LOCKS()`.
pub(super) fn note(text: &[u8], dialect: Dialect, scan: &mut Scan<'_>) {
    let mut lexer = Lexer::new(text, dialect);
    let selects = lexer.eat("SELECT");
    if !selects && !lexer.eat("DO") {
        return;
    }
    let Some(call) = lexer.next().filter(|token| is_any(token.text, &CALLS)) else {
        return;
    };
    if lexer.next().is_none_or(|token| token.kind != Kind::Open) || !closes(&mut lexer) {
        return;
    }
    if lexer.eat("AS") || !lexer.at_end() {
        let alias = lexer.next();
        if alias.is_none_or(|token| token.name().is_none()) || !lexer.at_end() {
            return;
        }
    }
    if call.is("RELEASE_ALL_LOCKS") {
        scan.facts.add(Facts::RELEASES_ALL_LOCKS);
    } else if selects && !scan.facts.has(Facts::MAY_WRITE) {
        scan.facts.add(Facts::ONE_LOCK_CALL);
    }
}

/// Goes behind the parenthesis that ends the arguments, if neither another such call nor a subquery is among them.
fn closes(lexer: &mut Lexer<'_>) -> bool {
    let mut depth = 1_u32;
    for token in lexer.by_ref() {
        match token.kind {
            Kind::Open => depth = depth.saturating_add(1),
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if token.is("SELECT") || is_any(token.text, &CALLS) => return false,
            _ => {}
        }
        if depth == 0 {
            return true;
        }
    }
    false
}

/// Behind `HANDLER`: `[db.]table OPEN [AS alias]`, `alias CLOSE`, `alias READ …`.
pub(super) fn handler<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    let is_dot = |lexer: &Lexer<'_>| lexer.peek().is_some_and(|token| token.kind == Kind::Dot);
    lexer.next();
    while is_dot(lexer) {
        lexer.next();
        lexer.next();
    }
    if lexer.eat("OPEN") {
        scan.facts.add(Facts::OPENS_HANDLER);
    } else if lexer.eat("CLOSE") && lexer.at_end() {
        scan.facts.add(Facts::CLOSES_HANDLER);
    } else if !lexer.eat("READ") {
        return UNKNOWN;
    }
    (Class::ReadPrimary, "HANDLER lives in its connection")
}

/// Behind `XA`.
pub(super) fn xa<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    let what = lexer.next().map_or(&b""[..], |token| token.text);
    let xa = if is_any(what, &["START", "BEGIN"]) {
        Xa::Start
    } else if is_any(what, &["COMMIT", "ROLLBACK"]) {
        Xa::End
    } else if is_any(what, &["RECOVER"]) {
        Xa::Recover
    } else {
        Xa::Within
    };
    (Class::Xa(xa), "XA")
}
