//! `KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] {id | USER name}`.

use super::classify::{Decision, UNKNOWN};
use super::hint::number;
use super::lex::{Dialect, Kind, Lexer};
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
    let rest = lexer.rest().trim_ascii();
    let expression = rest.strip_suffix(b";").unwrap_or(rest);
    let own = own_id(lexer.clone()).is_some_and(|behind| behind.at_end());
    let token = lexer.next()?;
    if by_query_id {
        return Some(KillTarget::QueryId);
    }
    let plain = (token.kind == Kind::Number && lexer.at_end())
        .then(|| number(token.text))
        .flatten();
    Some(match plain {
        Some(id) => KillTarget::Connection(id),
        None if own => KillTarget::Own,
        None => KillTarget::Expression(expression),
    })
}

/// Behind `CONNECTION_ID()`, if that is next.
fn own_id(mut lexer: Lexer<'_>) -> Option<Lexer<'_>> {
    let called = lexer.eat("CONNECTION_ID") && lexer.next()?.kind == Kind::Open && lexer.next()?.kind == Kind::Close;
    called.then_some(lexer)
}

/// The statement by which a server says what a KILL's expression gives, `own` being what `CONNECTION_ID()` is there. None of
/// one with a subquery, which servers refuse too.
pub(crate) fn question(expression: &[u8], dialect: Dialect, own: u32) -> Option<Vec<u8>> {
    let mut sql = b"SELECT CAST(".to_vec();
    let mut lexer = Lexer::new(expression, dialect);
    let mut copied = 0;
    loop {
        let start = expression.len().saturating_sub(lexer.rest().len());
        if let Some(behind) = own_id(lexer.clone()) {
            sql.extend_from_slice(expression.get(copied..start)?);
            sql.extend_from_slice(format!(" {own}").as_bytes());
            copied = expression.len().saturating_sub(behind.rest().len());
            lexer = behind;
            continue;
        }
        match lexer.next() {
            None => break,
            Some(token) if token.is("SELECT") => return None,
            Some(_) => {}
        }
    }
    sql.extend_from_slice(expression.get(copied..)?);
    // On a line of its own: the expression may end with a comment.
    sql.extend_from_slice(b"\nAS SIGNED)");
    Some(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_asked_with_the_routers_own_id() {
        let asked = |text: &str| {
            let sql = question(text.as_bytes(), Dialect::default(), 7)?;
            Some(String::from_utf8(sql).unwrap())
        };
        assert_eq!(asked("@id").unwrap(), "SELECT CAST(@id\nAS SIGNED)");
        assert_eq!(
            asked("IF(@x, connection_id ( ), 5) -- so").unwrap(),
            "SELECT CAST(IF(@x, 7, 5) -- so\nAS SIGNED)"
        );
        assert_eq!(
            asked("'CONNECTION_ID()'").unwrap(),
            "SELECT CAST('CONNECTION_ID()'\nAS SIGNED)"
        );
        assert_eq!(asked("(SELECT 5)"), None);
    }
}
