//! `KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] {id | USER name}`.

use super::classify::{Decision, UNKNOWN};
use super::hint::number;
use super::lex::{Kind, Lexer};
use super::verdict::{Class, Kill, KillTarget};

/// Behind `KILL`.
pub(super) fn classify<'a>(lexer: &mut Lexer<'a>) -> Decision<'a> {
    let soft = !lexer.eat("HARD") && lexer.eat("SOFT");
    let query = !lexer.eat("CONNECTION") && lexer.eat("QUERY");
    let by_query_id = query && lexer.eat("ID");
    let target = if lexer.eat("USER") {
        user(lexer)
    } else {
        id(lexer, by_query_id)
    };
    target.map_or(UNKNOWN, |target| {
        (Class::Kill(Kill { soft, query, target }), "by the router's own ids")
    })
}

fn user<'a>(lexer: &Lexer<'a>) -> Option<KillTarget<'a>> {
    let rest = lexer.rest().trim_ascii();
    let name = rest.strip_suffix(b";").unwrap_or(rest).trim_ascii_end();
    (!name.is_empty()).then_some(KillTarget::User(name))
}

fn id<'a>(lexer: &mut Lexer<'a>, by_query_id: bool) -> Option<KillTarget<'a>> {
    let token = lexer.next()?;
    let plain = (token.kind == Kind::Number && lexer.at_end())
        .then(|| number(token.text))
        .flatten();
    Some(match plain {
        Some(id) if by_query_id => KillTarget::QueryId(id),
        Some(id) => KillTarget::Connection(id),
        None => KillTarget::Expression,
    })
}
