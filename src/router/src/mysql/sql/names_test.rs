use super::*;

fn observed(text: &str) -> TemporaryTables {
    let mut tables = TemporaryTables::default();
    tables.observe(text.as_bytes(), Dialect::default());
    tables
}

fn mentions(tables: &TemporaryTables, text: &str) -> bool {
    tables.mentioned_in(text.as_bytes(), Dialect::default())
}

#[test]
fn created_tables_are_found_again() {
    for text in [
        "CREATE TEMPORARY TABLE tmp (a INT)",
        "CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS db.`tmp` AS SELECT 1",
        "SELECT 1; CREATE TEMPORARY TABLE Tmp LIKE t",
        "CREATE TEMPORARY SEQUENCE tmp",
    ] {
        let tables = observed(text);
        for read in [
            "SELECT * FROM a, tmp",
            "DESCRIBE tmp",
            "SHOW CREATE TABLE db.`TMP`",
            "SELECT tmp.a FROM tmp",
        ] {
            assert!(mentions(&tables, read), "{text}: {read}");
        }
        assert!(!mentions(&tables, "SELECT 'tmp', @tmp FROM t2 -- tmp"), "{text}");
    }
}

#[test]
fn a_renamed_table_is_known_by_both_names() {
    let mut tables = observed("CREATE TEMPORARY TABLE a (x INT)");
    tables.observe(b"ALTER TABLE a RENAME b", Dialect::default());
    tables.observe(b"ALTER TABLE b RENAME TO c", Dialect::default());
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|name| mentions(&tables, &format!("SELECT * FROM {name}")))
    );
}

#[test]
fn too_many_tables_are_not_told_apart() {
    let mut tables = TemporaryTables::default();
    for number in 0..=TABLES_MAX {
        tables.observe(
            format!("CREATE TEMPORARY TABLE t{number} (a INT)").as_bytes(),
            Dialect::default(),
        );
    }
    assert!(mentions(&tables, "SELECT 1"));
    tables.clear();
    assert!(!mentions(&tables, "SELECT t1"));
}
