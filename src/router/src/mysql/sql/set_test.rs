use super::*;

fn list(text: &str) -> Vec<(String, String, bool)> {
    with(text, Dialect::default())
}

fn with(text: &str, dialect: Dialect) -> Vec<(String, String, bool)> {
    effects(text.as_bytes(), dialect)
        .map(|effect| {
            let value = String::from_utf8_lossy(effect.value).into_owned();
            (effect.key(), value, effect.literal)
        })
        .collect()
}

fn sql(text: &str) -> Vec<String> {
    effects(text.as_bytes(), Dialect::default())
        .map(|effect| String::from_utf8_lossy(&effect.sql()).into_owned())
        .collect()
}

#[track_caller]
fn one(text: &str, key: &str, value: &str, literal: bool) {
    assert_eq!(list(text), [(key.to_owned(), value.to_owned(), literal)], "{text}");
}

#[test]
fn session_variables() {
    one("SET sql_mode='ANSI'", "var:sql_mode", "'ANSI'", true);
    one("set SESSION Sql_Mode := ANSI ;", "var:sql_mode", "ANSI", true);
    one("SET LOCAL wait_timeout = -1", "var:wait_timeout", "-1", true);
    one("SET @@sql_mode = DEFAULT", "var:sql_mode", "DEFAULT", true);
    one(
        "SET @@session.time_zone = \"+00:00\"",
        "var:time_zone",
        "\"+00:00\"",
        true,
    );
    one("SET @@LOCAL.`time_zone` = 'x'", "var:time_zone", "'x'", true);
    one("SET `time_zone` = 'x'", "var:time_zone", "'x'", true);
    one(
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')",
        "var:sql_mode",
        "CONCAT(@@sql_mode, ',ANSI')",
        false,
    );
    one(
        "SET timestamp = CURRENT_TIMESTAMP",
        "var:timestamp",
        "CURRENT_TIMESTAMP",
        false,
    );
    one("SET timestamp = 1+1", "var:timestamp", "1+1", false);
    one("SET sort_buffer_size = @x", "var:sort_buffer_size", "@x", false);
    one("SET autocommit = ?", "var:autocommit", "?", false);
}

#[test]
fn user_variables() {
    one("SET @A = 'it''s'", "user:@a", "'it''s'", true);
    one("SET @a.b$ := 1.5", "user:@a.b$", "1.5", true);
    one("SET @`a b` = NULL", "user:@a b", "NULL", true);
    one("SET @a = _utf8mb4'x'", "user:@a", "_utf8mb4'x'", true);
    one("SET @a = X'00'", "user:@a", "X'00'", true);
    one("SET @a = (SELECT 1, 2)", "user:@a", "(SELECT 1, 2)", false);
    one("SET @a = other", "user:@a", "other", false);
    one("SET @a = UUID()", "user:@a", "UUID()", false);
    one(
        "SET @quorate_causal_reads = 'global'",
        "quorate:causal_reads",
        "'global'",
        true,
    );
    one("SET @Quorate_Token = '0-1-5'", "quorate:token", "'0-1-5'", true);
    assert_eq!(causal_value(b"'global'", Dialect::default()), Some(Causal::Global));
    assert_eq!(causal_value(b"NONE", Dialect::default()), Some(Causal::None));
    assert_eq!(causal_value(b"'x'", Dialect::default()), None);
}

#[test]
fn forms_without_equals() {
    one(
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
        "names",
        "utf8mb4 COLLATE utf8mb4_bin",
        true,
    );
    one("SET NAMES 'latin1'", "names", "'latin1'", true);
    one("SET CHARSET DEFAULT", "charset", "DEFAULT", true);
    one("SET CHARACTER SET utf8", "charset", "utf8", true);
    one("SET ROLE NONE", "role", "NONE", true);
    let isolation = "ISOLATION LEVEL READ COMMITTED, READ ONLY";
    one(
        &format!("SET SESSION TRANSACTION {isolation}"),
        "transaction",
        isolation,
        true,
    );
    one(
        &format!("SET TRANSACTION {isolation}"),
        "next-transaction",
        isolation,
        true,
    );
    one(
        &format!("SET GLOBAL TRANSACTION {isolation}"),
        "global:transaction",
        isolation,
        true,
    );
    one("SET PASSWORD FOR a = 'x'", "account", "FOR a = 'x'", false);
    one("SET DEFAULT ROLE r FOR u", "account", "r FOR u", false);
}

#[test]
fn several_parts_and_scopes() {
    let keys = |text| list(text).into_iter().map(|(key, ..)| key).collect::<Vec<_>>();
    assert_eq!(
        keys("SET @a=1, @b=IF(1,2,3), sql_mode='', NAMES utf8"),
        ["user:@a", "user:@b", "var:sql_mode", "names"]
    );
    assert_eq!(
        keys("SET GLOBAL a=1, b=2, SESSION c=3, d=4, @@e=5"),
        ["global:a", "global:b", "var:c", "var:d", "var:e"]
    );
    assert_eq!(
        keys("SET GLOBAL a=1, @@b=2, @@global.c=3"),
        ["global:a", "var:b", "global:c"]
    );
    assert_eq!(
        keys("SET @@tx_isolation='SERIALIZABLE', @@session.tx_read_only=1, tx_isolation=DEFAULT"),
        ["next:tx_isolation", "var:tx_read_only", "var:tx_isolation"]
    );
    assert_eq!(keys("SET ROLE NONE, @a=1"), ["role", "user:@a"]);
    assert_eq!(keys("SET GLOBAL hot.key_buffer_size=1"), ["global:key_buffer_size"]);
    assert_eq!(keys("SET a=1, b"), ["var:a", "unknown"]);
    assert_eq!(keys("SELECT 1"), [""; 0]);
    assert_eq!(keys("SET"), [""; 0]);
}

#[test]
fn each_part_makes_a_statement_of_its_own() {
    assert_eq!(
        sql("SET a=1, @b='x', NAMES utf8, GLOBAL d=2"),
        ["SET SESSION a=1", "SET @b='x'", "SET NAMES utf8", "SET GLOBAL d=2"]
    );
    assert_eq!(sql("SET @`a b`=1"), ["SET @`a b`=1"]);
    assert_eq!(
        sql("SET SESSION TRANSACTION READ ONLY"),
        ["SET SESSION TRANSACTION READ ONLY"]
    );
    for text in [
        "SET a=1",
        "SET @`a b`=1",
        "SET NAMES utf8",
        "SET ROLE r",
        "SET TRANSACTION READ ONLY",
        "SET @@tx_read_only=1",
        "SET GLOBAL x='y'",
    ] {
        let again = sql(text).concat();
        assert_eq!(list(&again), list(text), "{text}");
    }
}

#[test]
fn what_depends_on_the_dialect_is_told() {
    let depends =
        |text: &'static str| effects(text.as_bytes(), Dialect::default()).any(|effect| effect.depends_on_dialect());
    assert!(depends("SET @a='a\\n'"));
    assert!(depends("SET @a=\"x\""));
    assert!(depends("SET @a='\u{e9}'"));
    assert!(!depends("SET @a='x', b=1"));
}
