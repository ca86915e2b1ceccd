//! Several statements in one text, while a read-only transaction is open on a replica.

use super::needs::{Effect, Needs, Within};
use crate::mysql::sql::classify::classify;
use crate::mysql::sql::lex::{Dialect, Kind, Lexer};

/// What they come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Several {
    /// All of them read, and leave nothing behind.
    Read,
    /// The first one ends the transaction: all of them run after it.
    EndFirst,
    /// Some belong to the transaction, others do not.
    Mixed,
}

/// Looks at each. Of a text with a body in it (`BEGIN NOT ATOMIC … END`) the pieces are not statements, but then neither do all
/// of them read. `chained` is whether each COMMIT begins another transaction.
pub(crate) fn several(text: &[u8], dialect: Dialect, chained: bool) -> Several {
    let mut needs = pieces(text, dialect).map(|piece| Needs::of(piece, &classify(piece, dialect)));
    let Some(first) = needs.next() else {
        return Several::Mixed;
    };
    let ends = matches!(first.effect, Effect::Commit | Effect::Rollback) && !chained;
    if ends || first.within == Within::End {
        Several::EndFirst
    } else if reads(&first) && needs.all(|next| reads(&next)) {
        Several::Read
    } else {
        Several::Mixed
    }
}

fn reads(needs: &Needs) -> bool {
    needs.effect == Effect::Read && needs.pin.is_none()
}

/// The text between semicolons.
fn pieces(text: &[u8], dialect: Dialect) -> impl Iterator<Item = &[u8]> {
    let mut lexer = Lexer::new(text, dialect);
    std::iter::from_fn(move || {
        let rest = lexer.rest();
        lexer.peek()?;
        let end = loop {
            let before = lexer.rest().len();
            match lexer.next() {
                Some(token) if token.kind == Kind::Semicolon => {
                    break token.text.len().saturating_add(lexer.rest().len());
                }
                Some(_) => {}
                None => break before.min(lexer.rest().len()),
            }
        };
        rest.get(..rest.len().saturating_sub(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come_to(text: &str) -> Several {
        several(text.as_bytes(), Dialect::default(), false)
    }

    #[test]
    fn a_text_is_cut_at_its_semicolons() {
        let cut = |text: &'static str| -> Vec<&str> {
            pieces(text.as_bytes(), Dialect::default())
                .map(|piece| std::str::from_utf8(piece).unwrap())
                .collect()
        };
        assert_eq!(
            cut("SELECT ';'; /* ; */ SELECT 2 -- ;\n; "),
            ["SELECT ';'", " /* ; */ SELECT 2 -- ;\n"]
        );
        assert_eq!(cut("COMMIT;x"), ["COMMIT", "x"]);
        assert!(cut(" -- nothing").is_empty());
    }

    #[test]
    fn reads_alone_belong_to_the_transaction() {
        assert_eq!(come_to("SELECT 1; SELECT nothing; SHOW TABLES;"), Several::Read);
        for mixed in [
            "SELECT 1; COMMIT; INSERT INTO t VALUES (1)",
            "SELECT 1; SET @a = 1",
            "SELECT 1; SELECT @a := 1",
            "SELECT 1; SELECT GET_LOCK('a', 0)",
            "SELECT 1; BEGIN NOT ATOMIC SELECT 1; END",
            "SELECT 1; IF TRUE THEN SELECT 1; END IF",
            "SELECT 1; /*!50000 SELECT 2; COMMIT */",
            "SET GLOBAL wait_timeout = 9; SELECT 1",
            "COMMIT AND CHAIN; SELECT 1",
            "",
        ] {
            assert_eq!(come_to(mixed), Several::Mixed, "{mixed}");
        }
    }

    #[test]
    fn what_ends_it_first_is_followed_by_anything() {
        for text in [
            "COMMIT; INSERT INTO t VALUES (1)",
            "ROLLBACK; SELECT 1",
            "BEGIN; UPDATE t SET a = 1; COMMIT",
            "CREATE TABLE t (a INT); SELECT 1",
        ] {
            assert_eq!(come_to(text), Several::EndFirst, "{text}");
        }
        assert_eq!(several(b"COMMIT; SELECT 1", Dialect::default(), true), Several::Mixed);
        assert_eq!(come_to("START TRANSACTION READ ONLY; SELECT 1"), Several::Mixed);
    }
}
