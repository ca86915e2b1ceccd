//! `EXPLAIN`, `DESCRIBE`, `ANALYZE`.

use super::classify::{Decision, UNKNOWN, read, statement};
use super::lex::{Kind, Lexer};
use super::scan::Scan;
use super::verdict::{Class, WriteKind};
use super::word::key;

/// What `EXPLAIN` and `ANALYZE` take.
const EXPLAINED: [&str; 7] = ["SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "REPLACE"];

/// Words that start a statement besides those.
const OTHERS: [&str; 34] = [
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECK",
    "CHECKSUM",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DESC",
    "DESCRIBE",
    "DO",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FLUSH",
    "GET",
    "GRANT",
    "HANDLER",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PREPARE",
    "RENAME",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "SHOW",
    "START",
    "TRUNCATE",
    "USE",
    "XA",
];

/// Behind `EXPLAIN` or `DESCRIBE`.
pub(super) fn explain<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    if let Some(sql) = route(lexer) {
        return (Class::ExplainRoute(sql), "the router answers");
    }
    options(lexer);
    let Some(token) = lexer.peek() else { return UNKNOWN };
    if token.is("FOR") {
        return (Class::ReadPrimary, "asks for another connection");
    }
    if !starts_explained(lexer) {
        // A table, perhaps a column of it.
        return read(scan);
    }
    match inner(lexer, scan).0 {
        Class::Read => (Class::Read, "only explains a read"),
        _ => (Class::ReadPrimary, "explains what only the primary may run"),
    }
}

/// Behind `ANALYZE`: runs the statement.
pub(super) fn analyze<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    if ["TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG"]
        .iter()
        .any(|word| lexer.eat(word))
    {
        return (Class::Write(WriteKind::Ddl), "changes schema, tables or accounts");
    }
    options(lexer);
    if !starts_explained(lexer) {
        return UNKNOWN;
    }
    match inner(lexer, scan) {
        // Its result set is made while it runs and cannot be had again.
        (Class::Write(WriteKind::Dml(verb)), _) => (Class::Write(WriteKind::DmlReturning(verb)), "runs the write"),
        decision => decision,
    }
}

fn inner<'a>(lexer: &mut Lexer<'a>, scan: &mut Scan<'a>) -> Decision<'a> {
    while let Some(token) = lexer.next() {
        match token.kind {
            Kind::Open => {}
            Kind::Word => return statement(key(token.text), lexer, scan),
            _ => break,
        }
    }
    UNKNOWN
}

/// `EXTENDED`, `PARTITIONS`, `FORMAT = JSON`.
fn options(lexer: &mut Lexer<'_>) {
    loop {
        let mut ahead = lexer.clone();
        let option = ahead.eat("EXTENDED")
            || ahead.eat("PARTITIONS")
            || (ahead.eat("FORMAT") && {
                ahead.next().is_some_and(|token| token.is_op(b'=')) && ahead.next().is_some()
            });
        // `EXPLAIN extended` alone is a table of that name.
        if !option || ahead.at_end() {
            return;
        }
        *lexer = ahead;
    }
}

fn starts_explained(lexer: &Lexer<'_>) -> bool {
    lexer
        .peek()
        .is_some_and(|token| token.kind == Kind::Open || EXPLAINED.iter().any(|word| token.is(word)))
}

/// The text after `EXPLAIN ROUTE`, unless `route` is a table (alone, or with one of its columns).
fn route<'a>(lexer: &Lexer<'a>) -> Option<&'a [u8]> {
    let mut ahead = lexer.clone();
    if !ahead.eat("ROUTE") {
        return None;
    }
    let sql = ahead.rest().trim_ascii();
    let first = ahead.next()?;
    let verb = first.kind == Kind::Open || EXPLAINED.iter().chain(&OTHERS).any(|word| first.is(word));
    let table = first.kind == Kind::Dot || first.kind == Kind::Semicolon || ahead.at_end();
    (verb || !table).then_some(sql)
}
