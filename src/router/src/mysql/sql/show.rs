//! `SHOW`: most of it is a read of what every server has; the rest describes one server or one connection.

use super::classify::{Decision, local};
use super::lex::{Kind, Lexer};
use super::scan::Scan;
use super::verdict::{Class, ShowQuorate};
use super::word::is_any;

/// Same on every server, as far as a server has replicated. `INDEX` is among them: its cardinalities are estimates on any
/// server, its columns are the schema's.
const READS: [&str; 33] = [
    "AUTHORS",
    "CHARACTER",
    "CHARSET",
    "COLLATION",
    "COLUMNS",
    "CONTRIBUTORS",
    "CREATE",
    "DATABASES",
    "ENGINES",
    "EVENTS",
    "FIELDS",
    "FULL",
    "FUNCTION",
    "GLOBAL",
    "GRANTS",
    "INDEX",
    "INDEXES",
    "KEYS",
    "LOCALES",
    "PACKAGE",
    "PLUGINS",
    "PRIVILEGES",
    "PROCEDURE",
    "REPLICA",
    "SCHEMAS",
    "SESSION",
    "SLAVE",
    "STATUS",
    "STORAGE",
    "TABLE",
    "TABLES",
    "TRIGGERS",
    "VARIABLES",
];

/// Behind `SHOW`.
pub(super) fn classify<'a>(lexer: &mut Lexer<'a>, scan: &Scan<'a>) -> Decision<'a> {
    let Some(first) = lexer.next() else {
        return super::classify::UNKNOWN;
    };
    if first.is("QUORATE")
        && let Some(table) = quorate(lexer)
    {
        return local(table);
    }
    if is_any(first.text, &["WARNINGS", "ERRORS", "COUNT"]) {
        return (Class::ReadLast, "diagnostics of the last statement");
    }
    if is_any(first.text, &["PROFILE", "PROFILES"]) {
        return (Class::ReadLast, "profile of the last statements");
    }
    if let Some(why) = scan
        .primary
        .filter(|_| scan.facts.has(super::verdict::Facts::MAY_WRITE))
    {
        return (Class::ReadPrimary, why);
    }
    if first.kind != Kind::Word || !is_any(first.text, &READS) {
        return (Class::ReadPrimary, "describes the primary, or is not known");
    }
    scoped(&first, lexer)
}

/// `SHOW [FULL|GLOBAL|SESSION] …`.
fn scoped<'a>(first: &super::lex::Token<'a>, lexer: &mut Lexer<'a>) -> Decision<'a> {
    let next = lexer.peek();
    let next_is = |word: &str| next.is_some_and(|token| token.is(word));
    if first.is("FULL") && next_is("PROCESSLIST") {
        return (Class::ReadPrimary, "what runs on the primary");
    }
    if (first.is("SLAVE") || first.is("REPLICA")) && next_is("HOSTS") {
        return (Class::ReadPrimary, "who replicates from the primary");
    }
    if first.is("STATUS") || (first.is("SESSION") && next_is("STATUS")) {
        return (Class::ReadLast, "counters of one connection");
    }
    let variables = first.is("VARIABLES") || next_is("VARIABLES");
    if variables && lexer.any(|token| token.kind == Kind::Text && names_a_server(token.text)) {
        return (
            Class::ReadPrimary,
            "asks whether the server is read-only, or its position",
        );
    }
    (Class::Read, "only reads")
}

/// Whether a pattern names a variable whose value is the server's own.
fn names_a_server(pattern: &[u8]) -> bool {
    let has = |part: &[u8]| {
        pattern
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
    };
    has(b"read_only") || has(b"read\\_only") || has(b"gtid") || has(b"last_insert_id") || has(b"identity")
}

fn quorate(lexer: &mut Lexer<'_>) -> Option<ShowQuorate> {
    const TABLES: [(&str, ShowQuorate); 7] = [
        ("STATUS", ShowQuorate::Status),
        ("ROUTES", ShowQuorate::Routes),
        ("SESSIONS", ShowQuorate::Sessions),
        ("DIGESTS", ShowQuorate::Digests),
        ("SLOW", ShowQuorate::Slow),
        ("TOKEN", ShowQuorate::Token),
        ("PINS", ShowQuorate::Pins),
    ];
    let word = lexer.next()?;
    let table = TABLES
        .iter()
        .find_map(|(name, table)| word.is(name).then_some(*table))?;
    lexer.at_end().then_some(table)
}
