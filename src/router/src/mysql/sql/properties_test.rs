//! What holds for any text.

use proptest::prelude::*;

use super::classify::classify;
use super::digest;
use super::lex::{Dialect, Lexer};
use super::set;
use super::verdict::Verdict;

fn verdict(text: &str) -> Verdict<'_> {
    classify(text.as_bytes(), Dialect::default())
}

/// Texts whose tokens the properties below take apart.
const CORPUS: [&str; 12] = [
    "SELECT c FROM sbtest1 WHERE id = 123",
    "SELECT * FROM t WHERE a IN (1,2,3) FOR UPDATE",
    "SELECT f(1), 'x' FROM `t` t1",
    "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')",
    "UPDATE t SET a = a + 1 WHERE b = 'it''s'",
    "SET @a = 1 , sql_mode = 'ANSI'",
    "START TRANSACTION READ ONLY",
    "SELECT @v := 1",
    "SELECT GET_LOCK('a', 1) , @@last_insert_id",
    "KILL QUERY 5",
    "EXPLAIN SELECT 1 ; SELECT 2",
    "CREATE TEMPORARY TABLE t (a INT)",
];

proptest! {
    #[test]
    fn any_bytes_are_classified_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for dialect in dialects() {
            let verdict = classify(&bytes, dialect);
            prop_assert!(set::effects(&bytes, dialect).all(|effect| !effect.key().is_empty() && effect.sql() != b"SET"));
            prop_assert_eq!(verdict.shape, digest::hash(&bytes, dialect));
            prop_assert!(digest::text(&bytes, dialect).len() <= digest::TEXT_MAX_BYTES);
        }
    }

    #[test]
    fn any_soup_of_sql_is_classified_without_panic(parts in prop::collection::vec(prop::sample::select(SOUP.to_vec()), 0..30)) {
        let text = parts.concat();
        for dialect in dialects() {
            let verdict = classify(text.as_bytes(), dialect);
            prop_assert_eq!(verdict.shape, digest::hash(text.as_bytes(), dialect));
        }
    }

    #[test]
    fn comments_and_space_between_tokens_change_nothing(
        which in 0..CORPUS.len(),
        gaps in prop::collection::vec(prop::sample::select(vec![" ", "\n\t", "/* x ' */", " -- y\n", "#z\n", " /**/ "]), 64),
    ) {
        let plain = CORPUS[which];
        let mut text = Vec::new();
        for (token, gap) in Lexer::new(plain.as_bytes(), Dialect::default()).zip(gaps.iter().cycle()) {
            text.extend_from_slice(gap.as_bytes());
            text.push(b' ');
            text.extend_from_slice(token.text);
        }
        let (left, right) = (verdict(plain), classify(&text, Dialect::default()));
        prop_assert_eq!(left.class.name(), right.class.name());
        prop_assert_eq!((left.why, left.facts, left.shape), (right.why, right.facts, right.shape));
    }

    #[test]
    fn case_of_words_changes_nothing(which in 0..CORPUS.len()) {
        let lower = CORPUS[which].to_lowercase();
        let (left, right) = (verdict(CORPUS[which]), verdict(&lower));
        prop_assert_eq!((left.class.name(), left.facts, left.shape), (right.class.name(), right.facts, right.shape));
    }
}

fn dialects() -> [Dialect; 4] {
    let plain = Dialect::default();
    [
        plain,
        plain.with_sql_mode(b"ANSI_QUOTES"),
        plain.with_sql_mode(b"NO_BACKSLASH_ESCAPES"),
        plain.with_charset(b"sjis"),
    ]
}

const SOUP: [&str; 44] = [
    "SELECT ",
    "SET ",
    "(",
    ")",
    ",",
    " @a",
    " @@global.x",
    ":=",
    "=",
    "'x'",
    "'",
    "\"",
    "`",
    "/*",
    "*/",
    "/*!",
    "/*!50001 ",
    "-- ",
    "#",
    "\n",
    ";",
    "\\",
    "1.5e",
    "e+1",
    "0x1F",
    "N'",
    " FOR ",
    "UPDATE ",
    "VALUES ",
    "IN ",
    "-",
    ".",
    "?",
    "KILL ",
    "USER ",
    "EXPLAIN ",
    "ROUTE ",
    "BEGIN ",
    "WITH ",
    "a ",
    "\u{e9}",
    "PREPARE ",
    "FROM ",
    "STATEMENT ",
];
