use super::*;

fn kinds(text: &str) -> Vec<(Kind, String)> {
    with(text, Dialect::default())
}

fn with(text: &str, dialect: Dialect) -> Vec<(Kind, String)> {
    Lexer::new(text.as_bytes(), dialect)
        .map(|token| (token.kind, String::from_utf8_lossy(token.text).into_owned()))
        .collect()
}

fn texts(text: &str) -> Vec<String> {
    kinds(text).into_iter().map(|(_, text)| text).collect()
}

#[track_caller]
fn only(text: &str, kind: Kind) {
    assert_eq!(kinds(text), [(kind, text.to_owned())]);
}

#[test]
fn single_tokens() {
    for word in [
        "a",
        "SELECT",
        "_x$1",
        "1abc",
        "0xZZ",
        "0b2",
        "1e",
        "1ea10",
        "\u{e9}t\u{e9}",
        "0X1F",
    ] {
        only(word, Kind::Word);
    }
    for text in [
        "'a'",
        "''",
        "'it''s'",
        "'a\\'b'",
        "'\\\\'",
        "\"a\"\"b\"",
        "N'x'",
        "x'0F'",
        "B'01'",
        "'`;--'",
        "'/*'",
    ] {
        only(text, Kind::Text);
    }
    for number in ["1", "1.5", "1.", ".5", "1e5", "1E-5", "1.5e+10", "0x1F", "0b01", ".5e3"] {
        only(number, Kind::Number);
    }
    for name in ["`a`", "`a``b`", "`'`"] {
        only(name, Kind::Quoted);
    }
    for variable in ["@a", "@a.b$c", "@'a b'", "@`a`", "@\"x\"", "@"] {
        only(variable, Kind::UserVar);
    }
    for variable in ["@@a", "@@global.a_b", "@@`a`", "@@session.`a`"] {
        only(variable, Kind::SysVar);
    }
    only(":=", Kind::Assign);
    only("?", Kind::Param);
}

#[test]
fn sequences() {
    assert_eq!(texts("a.1b+.5-t.5"), ["a", ".", "1b", "+", ".5", "-", "t", ".", "5"]);
    assert_eq!(texts("1-1e5e"), ["1", "-", "1e5", "e"]);
    assert_eq!(texts("a=1.FOR update"), ["a", "=", "1.", "FOR", "update"]);
    assert_eq!(texts(".5FOR"), [".5", "FOR"]);
    assert_eq!(texts("1e5FOR 1e+5FOR"), ["1e5", "FOR", "1e+5", "FOR"]);
    assert_eq!(texts("1FOR 1e-FOR"), ["1FOR", "1e", "-", "FOR"]);
    assert_eq!(texts("'a' 'b'x@b"), ["'a'", "'b'", "x", "@b"]);
    assert_eq!(texts("a--1"), ["a", "-", "-", "1"]);
    assert_eq!(texts("a:=b:c"), ["a", ":=", "b", ":", "c"]);
    assert_eq!(texts("f(a,b);"), ["f", "(", "a", ",", "b", ")", ";"]);
}

#[test]
fn comments() {
    assert_eq!(texts("a-- b\nc# d\ne/* f */g/**/h--"), ["a", "c", "e", "g", "h"]);
    assert_eq!(texts("a /*! b */ c"), ["a", "b", "c"]);
    assert_eq!(texts("a/*!50001b*/c/*M!100100 d*/"), ["a", "b", "c", "d"]);
    assert_eq!(texts("a /*! b /* c */ d */ e"), ["a", "b", "d", "e"]);
    assert_eq!(texts("/*!123 a*/"), ["123", "a"]);
    assert_eq!(texts("a*/b"), ["a", "*", "/", "b"]);
    assert_eq!(texts("/*+ hint */ a"), ["a"]);
}

#[test]
fn the_first_comment_is_kept() {
    let first = |text: &'static str| {
        let mut lexer = Lexer::new(text.as_bytes(), Dialect::default());
        lexer.by_ref().count();
        lexer
            .comment
            .map(|comment| String::from_utf8_lossy(comment).into_owned())
    };
    assert_eq!(first("SELECT /*! x */ 1 /* one */ -- two").as_deref(), Some(" one "));
    assert_eq!(first("-- one\nSELECT 1 # two").as_deref(), Some(" one"));
    assert_eq!(first("SELECT 1 #two").as_deref(), Some("two"));
    assert_eq!(first("SELECT 1"), None);
}

#[test]
fn what_does_not_end_or_depends_on_the_version_is_unsure() {
    let unsure = |text: &'static str| {
        let mut lexer = Lexer::new(text.as_bytes(), Dialect::default());
        lexer.by_ref().count();
        lexer.unsure
    };
    for text in [
        "'a",
        "`a",
        "\"a",
        "/* a",
        "'a\\",
        "@'a",
        "/*!50700 a */",
        "/*!101200 a*/",
        "/*!99999 a*/",
    ] {
        assert!(unsure(text), "{text}");
    }
    for text in ["'a'", "/* a */", "/*!50699 a*/", "/*!100000 a*/", "/*! a*/", "-- a"] {
        assert!(!unsure(text), "{text}");
    }
}

#[test]
fn dialects() {
    let ansi = Dialect::default().with_sql_mode(b"STRICT_ALL_TABLES, ansi_quotes");
    assert_eq!(with("\"a\"", ansi), [(Kind::Quoted, "\"a\"".to_owned())]);
    let plain = Dialect::default().with_sql_mode(b"NO_BACKSLASH_ESCAPES");
    assert_eq!(with("'\\' a", plain).len(), 2);
    assert_eq!(
        Dialect::default()
            .with_sql_mode(b"NO_BACKSLASH_ESCAPES")
            .with_sql_mode(b""),
        Dialect::default()
    );
    assert_eq!(Dialect::default().with_charset(b"latin1").charset, Charset::SingleByte);
    assert_eq!(Dialect::default().with_charset(b"GBK").charset, Charset::MultiByte);
    assert_eq!(Dialect::default().with_charset(b"utf8mb4").charset, Charset::Utf8);
    for (collation, charset) in [
        (45, Charset::Utf8),
        (224, Charset::Utf8),
        (8, Charset::SingleByte),
        (28, Charset::MultiByte),
        (255, Charset::MultiByte),
    ] {
        assert_eq!(
            Dialect::default().with_collation(collation).charset,
            charset,
            "{collation}"
        );
    }
}

#[test]
fn literals_say_what_they_mean() {
    let plain = Dialect::default();
    let said = |literal: &'static str| String::from_utf8(unquote(literal.as_bytes(), plain).into_owned()).unwrap();
    assert_eq!(said("'abc'"), "abc");
    assert_eq!(said("'it''s \\'x\\' \"y\"'"), "it's 'x' \"y\"");
    assert_eq!(said("\"a\"\"b\\n\\t\\\\\""), "a\"b\n\t\\");
    assert_eq!(said("'100\\% a\\_b'"), "100\\% a\\_b");
    assert_eq!(said("N'x'"), "x");
    assert_eq!(said("''"), "");
    let no_escapes = plain.with_sql_mode(b"NO_BACKSLASH_ESCAPES");
    assert_eq!(&*unquote(b"'a\\n'", no_escapes), b"a\\n");
}
