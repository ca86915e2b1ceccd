use proptest::prelude::*;

use super::*;

fn shape(statement: &str) -> String {
    text(statement.as_bytes(), Dialect::default()).into()
}

fn hashed(statement: &str) -> u64 {
    hash(statement.as_bytes(), Dialect::default())
}

#[track_caller]
fn same(left: &str, right: &str) {
    assert_eq!(hashed(left), hashed(right), "{left} | {right}");
    assert_eq!(shape(left).to_lowercase(), shape(right).to_lowercase());
}

#[track_caller]
fn differ(left: &str, right: &str) {
    assert_ne!(hashed(left), hashed(right), "{left} | {right}");
    assert_ne!(shape(left), shape(right));
}

#[test]
fn literals_become_question_marks() {
    assert_eq!(
        shape("SELECT c FROM sbtest1 WHERE id=123"),
        "SELECT c FROM sbtest1 WHERE id=?"
    );
    assert_eq!(
        shape("select  a , -- x\n 'b' from t where d >= -1.5e3"),
        "select a, ? from t where d>=?"
    );
    same("SELECT 1", "SELECT 'x'");
    same("SELECT 1", "SELECT ?");
    same("SELECT * FROM t WHERE a = -1", "SELECT * FROM t WHERE a = +2");
    same("SELECT * FROM t WHERE a = -1", "SELECT * FROM t WHERE a = 1");
    differ("SELECT a-1", "SELECT a+1");
    differ("SELECT a", "SELECT b");
    differ("SELECT a IS NULL", "SELECT a IS TRUE");
}

#[test]
fn lists_of_literals_collapse() {
    assert_eq!(
        shape("SELECT * FROM t WHERE a IN (1, 2,3)"),
        "SELECT * FROM t WHERE a IN (...)"
    );
    same(
        "SELECT * FROM t WHERE a IN (1)",
        "SELECT * FROM t WHERE a IN ('x', -2, NULL, 3)",
    );
    differ("SELECT * FROM t WHERE a IN (1)", "SELECT * FROM t WHERE a IN (b)");
    differ("SELECT f(1)", "SELECT f(1, 2)");
    same(
        "SELECT * FROM t WHERE a IN (SELECT b FROM u WHERE c IN (1))",
        "SELECT * FROM t WHERE a IN (SELECT b FROM u WHERE c IN (1, 2, 3))",
    );
}

#[test]
fn rows_collapse() {
    assert_eq!(
        shape("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')"),
        "INSERT INTO t(a, b) VALUES (...)"
    );
    same("INSERT INTO t VALUES (1,2)", "INSERT INTO t VALUES (1,2),(3,4),(5,6)");
    assert_eq!(
        shape("INSERT INTO t VALUES (NOW(), 1), (NOW(), 2)"),
        "INSERT INTO t VALUES (NOW(), ?)"
    );
    same(
        "INSERT INTO t VALUES (NOW(), 1)",
        "INSERT INTO t VALUES (NOW(), 2), (NOW(), 3), (NOW(), 4)",
    );
    differ(
        "INSERT INTO t VALUES (NOW(), 1)",
        "INSERT INTO t VALUES (NOW(), 1), (RAND(), 2)",
    );
    same(
        "INSERT INTO t VALUES (1), (2) ON DUPLICATE KEY UPDATE a=1",
        "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a=2",
    );
    assert_eq!(shape("VALUES (1), (a), (2)"), "VALUES (...), (a), (...)");
}

#[test]
fn names_are_kept_and_words_compare_without_case() {
    same("select A from B", "SELECT a FROM b");
    same(
        "SELECT `a` FROM t",
        "SELECT a FROM t"
            .replace('a', "`a`")
            .replace("SELECT", "select")
            .as_str(),
    );
    assert_eq!(hashed("SELECT `a`"), hashed("SELECT a"));
    assert_eq!(
        shape("SELECT @v, @@sql_mode, `x y`.z FROM t;"),
        "SELECT @v, @@sql_mode, `x y`.z FROM t"
    );
    differ("SELECT verylongname1", "SELECT verylongname2");
    differ("SELECT ab, c", "SELECT a, bc");
}

#[test]
fn text_is_bounded() {
    let long = format!(
        "SELECT {}",
        (0..500).map(|i| format!("column{i}")).collect::<Vec<_>>().join(", ")
    );
    assert!(shape(&long).len() <= TEXT_MAX_BYTES);
    let rows = format!(
        "INSERT INTO t VALUES {} ON DUPLICATE KEY UPDATE a=1",
        vec!["(NOW(), 1)"; 500].join(",")
    );
    assert_eq!(
        shape(&rows),
        "INSERT INTO t VALUES (NOW(), ?) ON DUPLICATE KEY UPDATE a=?"
    );
    let bytes = [b"SELECT `".as_slice(), &[0xff; 900], b"`"].concat();
    assert!(text(&bytes, Dialect::default()).len() <= TEXT_MAX_BYTES);
}

proptest! {
    #[test]
    fn other_values_give_the_same_shape(a in any::<i32>(), b in "[a-z' \\\\]{0,12}", many in prop::collection::vec(any::<u32>(), 1..20)) {
        let quoted = b.replace('\\', "\\\\").replace('\'', "''");
        let list = many.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let rows = many.iter().map(|n| format!("({n},'{quoted}')")).collect::<Vec<_>>().join(" , ");
        prop_assert_eq!(
            hashed(&format!("SELECT * FROM t WHERE a={a} AND b='{quoted}' AND c IN ({list})")),
            hashed("SELECT * FROM t WHERE a=1 AND b='' AND c IN (?)")
        );
        prop_assert_eq!(hashed(&format!("INSERT INTO t VALUES {rows}")), hashed("INSERT INTO t VALUES (0, '')"));
    }
}
