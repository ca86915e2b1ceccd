//! What goes where: a table of statements, and what a verdict says besides the class.

use super::super::hint::RouteTo;
use super::super::lex::Charset;
use super::super::verdict::{Begin, Completion, KillTarget, SavepointAction, Verb};
use super::*;

fn verdict(text: &str) -> Verdict<'_> {
    classify(text.as_bytes(), Dialect::default())
}

fn class(text: &str) -> &'static str {
    verdict(text).class.name()
}

#[test]
fn the_table_holds() {
    let mut expected = "";
    for text in include_str!("classify_table.txt").lines() {
        if text.is_empty() || text.starts_with("# ") {
            continue;
        }
        if let Some(heading) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            expected = heading;
            continue;
        }
        let verdict = verdict(text);
        assert_eq!(verdict.class.name(), expected, "{text}: {}", verdict.why);
    }
}

#[test]
fn empty_texts_are_for_the_primary_to_refuse() {
    for text in ["", " ", "-- x", "/* x */", ";"] {
        assert_eq!(class(text), "unknown", "{text}");
    }
}

#[test]
fn reads_that_belong_to_the_last_statement() {
    assert_eq!(class("SELECT ROW_COUNT(), LAST_INSERT_ID()"), "read-primary");
    let asks = |text: &str| {
        classify(text.as_bytes(), Dialect::default())
            .facts
            .has(Facts::ASKS_LAST)
    };
    assert!(asks("SELECT ROW_COUNT(), LAST_INSERT_ID()") && asks("SELECT @@identity, @@warning_count"));
    assert!(!asks("SELECT ROW_COUNT()") && !asks("SELECT LAST_INSERT_ID()"));
}

#[test]
fn writes() {
    assert_eq!(
        verdict("DELETE FROM t RETURNING *").class,
        Class::Write(WriteKind::DmlReturning(Verb::Delete))
    );
    assert_eq!(
        verdict("INSERT INTO t VALUES (1)").class,
        Class::Write(WriteKind::Dml(Verb::Insert))
    );
    let load = verdict("LOAD DATA LOCAL INFILE 'x' INTO TABLE t").class;
    assert_eq!(load, Class::Write(WriteKind::Load { local: true }));
    let load = verdict("LOAD DATA LOW_PRIORITY INFILE 'x' INTO TABLE t").class;
    assert_eq!(load, Class::Write(WriteKind::Load { local: false }));
    let under = verdict("SET STATEMENT sql_log_bin=0 FOR INSERT INTO t VALUES (1)").class;
    assert_eq!(under, Class::Write(WriteKind::Other));
}

#[test]
fn transactions() {
    assert_eq!(verdict("BEGIN").class, Class::Begin(Begin::default()));
    assert_eq!(verdict("begin work;").class, Class::Begin(Begin::default()));
    let read_only = Begin {
        read_only: Some(true),
        snapshot: true,
    };
    assert_eq!(
        verdict("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").class,
        Class::Begin(read_only)
    );
    let write = Begin {
        read_only: Some(false),
        snapshot: false,
    };
    assert_eq!(verdict("START TRANSACTION READ WRITE").class, Class::Begin(write));
    assert_eq!(verdict("COMMIT").class, Class::Commit(Completion::default()));
    let chained = Completion {
        chain: Some(true),
        release: Some(false),
    };
    assert_eq!(
        verdict("COMMIT WORK AND CHAIN NO RELEASE").class,
        Class::Commit(chained)
    );
    let released = Completion {
        chain: Some(false),
        release: Some(true),
    };
    assert_eq!(
        verdict("ROLLBACK AND NO CHAIN RELEASE").class,
        Class::Rollback(released)
    );
    assert_eq!(
        verdict("ROLLBACK TO SAVEPOINT a").class,
        Class::Savepoint(SavepointAction::RollbackTo)
    );
    assert_eq!(
        verdict("ROLLBACK WORK TO a").class,
        Class::Savepoint(SavepointAction::RollbackTo)
    );
    assert_eq!(verdict("SAVEPOINT a").class, Class::Savepoint(SavepointAction::Set));
    assert_eq!(
        verdict("RELEASE SAVEPOINT a").class,
        Class::Savepoint(SavepointAction::Release)
    );
}

#[test]
fn session_state() {
    assert_eq!(verdict("USE `a b`").class, Class::Use(b"a b"));
}

#[test]
fn prepared_by_name() {
    let prepared = verdict("PREPARE s FROM 'SELECT ?'").class;
    assert_eq!(
        prepared,
        Class::TextPrepare {
            name: b"s",
            literal: Some(b"'SELECT ?'")
        }
    );
    assert_eq!(
        verdict("PREPARE `s` FROM @v").class,
        Class::TextPrepare {
            name: b"s",
            literal: None
        }
    );
    assert_eq!(
        verdict("PREPARE s FROM CONCAT('a', 'b')").class,
        Class::TextPrepare {
            name: b"s",
            literal: None
        }
    );
    assert_eq!(
        verdict("EXECUTE s USING @a, 1").class,
        Class::TextExecute { name: b"s" }
    );
    assert_eq!(
        verdict("DEALLOCATE PREPARE s").class,
        Class::TextDeallocate { name: b"s" }
    );
    assert_eq!(verdict("DROP PREPARE s;").class, Class::TextDeallocate { name: b"s" });
}

#[test]
fn kills() {
    let kill = |text| match verdict(text).class {
        Class::Kill(kill) => kill,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(kill("KILL 5").target, KillTarget::Connection(5));
    let soft = kill("kill soft query 7;");
    assert!(soft.soft && soft.query && soft.target == KillTarget::Connection(7));
    assert_eq!(kill("KILL HARD CONNECTION 8").target, KillTarget::Connection(8));
    assert_eq!(kill("KILL QUERY ID 9").target, KillTarget::QueryId);
    assert_eq!(kill("KILL USER 'a'@'b'").target, KillTarget::User(b"'a'@'b'"));
    assert_eq!(kill("KILL @id;").target, KillTarget::Expression(b"@id"));
    assert_eq!(kill("KILL QUERY connection_id();").target, KillTarget::Own);
    assert_eq!(kill("KILL 5 + 1").target, KillTarget::Expression(b"5 + 1"));
    assert_eq!(class("KILL"), "unknown");
}

#[test]
fn explains() {
    assert_eq!(
        verdict("EXPLAIN ROUTE SELECT 1").class,
        Class::ExplainRoute(b"SELECT 1")
    );
    assert_eq!(verdict("explain route COMMIT").class, Class::ExplainRoute(b"COMMIT"));
    assert_eq!(
        verdict("EXPLAIN ROUTE UPDATE t SET a=1").class,
        Class::ExplainRoute(b"UPDATE t SET a=1")
    );
}

#[test]
fn the_routers_own() {
    assert_eq!(
        verdict("SHOW QUORATE STATUS").class,
        Class::ShowQuorate(ShowQuorate::Status)
    );
    assert_eq!(
        verdict("show quorate digests;").class,
        Class::ShowQuorate(ShowQuorate::Digests)
    );
    assert_eq!(
        verdict("SHOW QUORATE TOKEN").class,
        Class::ShowQuorate(ShowQuorate::Token)
    );
    let id = |text| match verdict(text).class {
        Class::ConnectionId { column } => String::from_utf8_lossy(column).into_owned(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(id("SELECT CONNECTION_ID()"), "CONNECTION_ID()");
    assert_eq!(id("select connection_id( ) AS x"), "x");
    assert_eq!(id("select connection_id() `y` LIMIT 1;"), "y");
}

#[test]
fn one_call_of_a_lock_function_tells_what_became_of_it() {
    let has = |text: &str, fact| verdict(text).facts.has(fact);
    for text in [
        "SELECT GET_LOCK('a', 1)",
        "SELECT GET_LOCK(CONCAT(DATABASE(), 'a'), ?) AS locked;",
        "select release_lock(?) l",
    ] {
        assert!(has(text, Facts::ONE_LOCK_CALL), "{text}");
    }
    for text in [
        "DO GET_LOCK('a', 1)",
        "SELECT GET_LOCK('a', 1) FROM t",
        "SELECT GET_LOCK('a', 1), GET_LOCK('b', 1)",
        "SELECT GET_LOCK('a', GET_LOCK('b', 1))",
        "SELECT GET_LOCK((SELECT a FROM t), 1)",
        "SELECT GET_LOCK(f(), 1)",
        "SELECT GET_LOCK('a', 1) OR 1",
        "SELECT GET_LOCK('a', 1) LIMIT 0",
        "SELECT NOT GET_LOCK('a', 1)",
        "SELECT IF(GET_LOCK('a', 1), RELEASE_LOCK('a'), 2)",
        "SELECT RELEASE_ALL_LOCKS()",
    ] {
        assert!(!has(text, Facts::ONE_LOCK_CALL), "{text}");
    }
    for text in ["SELECT RELEASE_ALL_LOCKS()", "DO RELEASE_ALL_LOCKS();"] {
        assert!(has(text, Facts::RELEASES_ALL_LOCKS), "{text}");
    }
    assert!(!has("SELECT IF(1, 2, RELEASE_ALL_LOCKS())", Facts::RELEASES_ALL_LOCKS));
    assert!(has("HANDLER d.t OPEN h", Facts::OPENS_HANDLER));
    assert!(has("HANDLER h CLOSE", Facts::CLOSES_HANDLER));
    assert!(!has("HANDLER h READ FIRST WHERE open=1", Facts::OPENS_HANDLER));
}

#[test]
fn facts_are_found_in_any_kind_of_statement() {
    let has = |text: &str, fact| verdict(text).facts.has(fact);
    assert!(has(
        "SELECT 1; CREATE TEMPORARY TABLE t (a INT)",
        Facts::CREATES_TEMPORARY
    ));
    assert!(has(
        "CREATE OR REPLACE TEMPORARY TABLE t (a INT)",
        Facts::CREATES_TEMPORARY
    ));
    assert!(has("DROP TEMPORARY TABLE t", Facts::DROPS_TEMPORARY));
    assert!(has("UPDATE t SET a=1 WHERE GET_LOCK('x',0)", Facts::TAKES_USER_LOCK));
    assert!(has("SET @a = GET_LOCK('x', 0)", Facts::TAKES_USER_LOCK));
    assert!(has("DO RELEASE_ALL_LOCKS()", Facts::RELEASES_USER_LOCK));
    assert!(has(
        "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1",
        Facts::CALCULATES_FOUND_ROWS
    ));
    assert!(has("SET autocommit=0", Facts::SETS_AUTOCOMMIT));
    assert!(has("SET @@session.autocommit=0", Facts::SETS_AUTOCOMMIT));
    assert!(has("SET SESSION sql_log_bin=0", Facts::CHANGES_BINLOGGING));
    assert!(has("SELECT f()", Facts::MAY_WRITE));
    assert!(has("SELECT NEXTVAL(s)", Facts::MAY_WRITE));
    assert!(has("SELECT 1 INTO OUTFILE 'x'", Facts::MAY_WRITE));
    assert!(has("HANDLER t OPEN AS h", Facts::OPENS_HANDLER));
    assert!(has("SELECT @a", Facts::READS_USER_VARIABLES));
    assert!(has("SELECT @a := 1", Facts::SETS_USER_VARIABLES));
    assert!(has("SELECT a INTO @v FROM t", Facts::SETS_USER_VARIABLES));
    assert!(has("CALL p(@out)", Facts::SETS_USER_VARIABLES));
    assert!(has("SET @a=1", Facts::SETS_USER_VARIABLES));
    assert!(!has("SET @a=1", Facts::READS_USER_VARIABLES));
    assert!(has("SET @a=@b", Facts::READS_USER_VARIABLES));
    assert!(!has("SELECT LAST_INSERT_ID()", Facts::MAY_WRITE));
    assert_eq!(verdict("SELECT c FROM t WHERE id=1").facts, Facts::default());
}

#[test]
fn hints_come_with_the_verdict() {
    let hint = verdict("SELECT 1 -- maxscale route to master").hint.unwrap();
    assert_eq!(hint.route, Some(RouteTo::Primary));
    assert!(
        verdict("SELECT 1 /* plain */ -- maxscale route to master")
            .hint
            .is_none(),
        "only the first comment"
    );
    assert!(verdict("SELECT '-- maxscale route to master'").hint.is_none());
}

#[test]
fn what_servers_may_read_differently_is_not_a_read() {
    let gbk = Dialect::default().with_charset(b"gbk");
    let latin = Dialect::default().with_charset(b"latin1");
    assert_eq!(gbk.charset, Charset::MultiByte);
    let text = b"SELECT '\xb1\\', f(), '' FROM t";
    assert_eq!(classify(text, gbk).class, Class::Unknown);
    assert_eq!(classify(b"SELECT '\xe9' FROM t", latin).class, Class::Read);
    assert_eq!(classify(b"SELECT 1 FOR\xa0UPDATE", latin).class, Class::Unknown);
}

#[test]
fn sql_mode_changes_what_is_text() {
    let ansi = Dialect::default().with_sql_mode(b"REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES");
    assert_eq!(classify(b"SELECT \"f\"(1)", ansi).class, Class::ReadPrimary);
    assert_eq!(class("SELECT 'a\\' FOR UPDATE"), "unknown");
    let plain = Dialect::default().with_sql_mode(b"NO_BACKSLASH_ESCAPES");
    assert_eq!(classify(b"SELECT 'a\\' FOR UPDATE", plain).class, Class::ReadPrimary);
}
