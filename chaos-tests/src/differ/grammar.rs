//! Which statements there are.
//!
//! Everything is said so that equal servers must answer equally: no clocks, no chance, an order wherever there is more than one row.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::step::Step;
use crate::wire::Arg;

/// Tables that are there most of the time.
const TABLES: [&str; 3] = ["t0", "t1", "t2"];
/// Names of temporary tables; the second one hides a table.
const TEMPORARY: [&str; 2] = ["tmp", "t2"];
const VARIABLES: [&str; 3] = ["@a", "@b", "@c"];
/// Expressions over a row of any of the tables.
const EXPRESSIONS: [&str; 24] = [
    "n + 1",
    "s",
    "UPPER(s)",
    "d * 2",
    "d / 3",
    "LENGTH(b)",
    "HEX(b)",
    "j",
    "IF(n > 5, 'big', NULL)",
    "CONCAT(s, '-', n)",
    "w",
    "DATE_ADD(w, INTERVAL n DAY)",
    "CAST(s AS INT)",
    "n DIV 0",
    "MD5(s)",
    "e",
    "m + 0",
    "y",
    "t",
    "COALESCE(n, @a, 7)",
    "JSON_VALID(j)",
    "COLLATION(s)",
    "u",
    "f0(n)",
];
const CONDITIONS: [&str; 8] = [
    "1",
    "n > 3",
    "s LIKE 'a%'",
    "n IS NULL",
    "id < 20",
    "d > 10",
    "n = @a",
    "s = 5",
];
const SETTINGS: [&str; 14] = [
    "sql_mode = ''",
    "sql_mode = 'STRICT_TRANS_TABLES'",
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "time_zone = '+03:00'",
    "time_zone = 'SYSTEM'",
    "NAMES utf8mb4",
    "NAMES latin1",
    "character_set_results = NULL",
    "sql_select_limit = 3",
    "sql_select_limit = DEFAULT",
    "group_concat_max_len = 20",
    "SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "timestamp = 1000000000.5",
    "auto_increment_increment = 3, auto_increment_offset = 2",
];
/// Statements with an error in them, or that ask about the session.
const ODDITIES: [&str; 26] = [
    "SELECT FROM",
    "SELECT nothing FROM t0",
    "SELECT 1 FROM missing",
    "INSERT INTO t0 (id) VALUES ('x', 1)",
    "SELECT (SELECT id FROM t0 UNION SELECT -1 UNION SELECT -2)",
    "SHOW WARNINGS",
    "SHOW COUNT(*) WARNINGS",
    "SHOW ERRORS",
    "SELECT @@warning_count, @@error_count",
    "SELECT LAST_INSERT_ID()",
    "SELECT ROW_COUNT()",
    "SELECT FOUND_ROWS()",
    "SELECT @@autocommit, @@sql_mode, @@time_zone, @@tx_isolation",
    "SELECT @@character_set_client, @@character_set_results, @@collation_connection",
    "SELECT DATABASE() IS NULL, CURRENT_USER(), @@in_transaction",
    "SHOW VARIABLES LIKE 'sql_mode'",
    "SHOW TABLES",
    "SHOW CREATE TABLE t1",
    "SELECT 1; SELECT 2, 'two'; SELECT NULL",
    "SELECT 1; SELECT nothing; SELECT 3",
    "DO SLEEP(0)",
    "SELECT NOW() = NOW(), 'it''s', \"q\", 0xff, _latin1'x', DATE'2020-02-30'",
    "/* read */ SELECT /* twice */ 2 -- end",
    "SELECT SQL_CALC_FOUND_ROWS id FROM t0 ORDER BY id LIMIT 1",
    "EXPLAIN FORMAT=JSON SELECT 1",
    "HELP 'no such thing at all'",
];

/// Draws statements.
#[derive(Debug)]
pub struct Grammar {
    rng: StdRng,
}

impl Grammar {
    /// From one seed always the same.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng }
    }

    /// What both databases begin with.
    #[must_use]
    pub fn schema() -> Vec<String> {
        let mut all: Vec<String> = TABLES.iter().map(|table| Self::table(table)).collect();
        for sql in [
            "CREATE OR REPLACE SEQUENCE q0",
            "CREATE OR REPLACE FUNCTION f0(x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
            "CREATE OR REPLACE FUNCTION f1(x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO t0 (n) VALUES (x); SET @c = x; RETURN x; END",
            "CREATE OR REPLACE PROCEDURE p0(IN x INT, OUT o INT) BEGIN SELECT x; UPDATE t1 SET n = x WHERE id = 1; SELECT 'two', id FROM t1 ORDER BY id LIMIT 2; SET o = x + 1; END",
            "CREATE OR REPLACE PROCEDURE p1() BEGIN CREATE OR REPLACE TEMPORARY TABLE tmp (id INT PRIMARY KEY, n INT, s VARCHAR(9)); INSERT INTO tmp VALUES (1, 1, 'p1'); END",
            "CREATE OR REPLACE VIEW v0 AS SELECT id, n, s FROM t0",
        ] {
            all.push(sql.to_owned());
        }
        all
    }

    fn table(name: &str) -> String {
        format!(
            "CREATE OR REPLACE TABLE {name} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT, s VARCHAR(60) COLLATE utf8mb4_general_ci, \
             d DECIMAL(12,3), b BLOB, w DATETIME(3), j JSON, e ENUM('a','b'), m BIT(12), y YEAR, t TIME(2), u UUID, UNIQUE KEY (n))"
        )
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    fn any<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(&mut self.rng).copied().unwrap_or_default()
    }

    /// The next step of a session.
    pub fn step(&mut self) -> Step {
        match self.below(100) {
            0..62 => Step::Query(self.statement()),
            62..80 => self.prepared(),
            80..88 => Step::Again(self.below(8), self.arguments()),
            88..90 => Step::Reset,
            90..92 => Step::Use,
            92..93 => Step::Reconnect,
            _ => Step::Query(self.transaction()),
        }
    }

    fn statement(&mut self) -> String {
        match self.below(20) {
            0..6 => self.select(),
            6..9 => self.insert(),
            9..11 => self.update(),
            11 => self.delete(),
            12 => self.definition(),
            13 => self.temporary(),
            14 => format!("SET {}", self.any(&SETTINGS)),
            15 | 16 => self.variable(),
            17 => self.call(),
            _ => self.any(&ODDITIES).to_owned(),
        }
    }

    fn transaction(&mut self) -> String {
        self.any(&[
            "BEGIN",
            "START TRANSACTION",
            "START TRANSACTION READ ONLY",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            "COMMIT",
            "COMMIT",
            "ROLLBACK",
            "COMMIT AND CHAIN",
            "SAVEPOINT a",
            "ROLLBACK TO a",
            "RELEASE SAVEPOINT a",
            "SET autocommit = 0",
            "SET autocommit = 1",
            "SET TRANSACTION READ ONLY",
            "SET STATEMENT sql_select_limit = 1 FOR SELECT id FROM t0 ORDER BY id",
        ])
        .to_owned()
    }

    fn select(&mut self) -> String {
        let table = self.any(&["t0", "t1", "t2", "t2", "t0", "tmp", "v0"]);
        let condition = self.any(&CONDITIONS);
        if table == "tmp" || table == "v0" {
            return format!("SELECT id, n, s FROM {table} ORDER BY id");
        }
        let (one, two) = (self.any(&EXPRESSIONS), self.any(&EXPRESSIONS));
        match self.below(9) {
            0 => format!("SELECT COUNT(*), SUM(n), AVG(d), GROUP_CONCAT(s ORDER BY id) FROM {table} WHERE {condition}"),
            1 => format!("SELECT a.id, b.s FROM {table} a JOIN t1 b ON a.n = b.n ORDER BY a.id, b.id"),
            2 => format!("SELECT id, {one} FROM {table} WHERE {condition} ORDER BY id FOR UPDATE"),
            3 => format!("SELECT * FROM {table} WHERE {condition} ORDER BY id LIMIT 5"),
            4 => format!(
                "(SELECT id, s FROM {table} WHERE id = 1) UNION ALL (SELECT id, s FROM t1 WHERE id = 2) ORDER BY 1, 2"
            ),
            5 => format!("WITH w AS (SELECT id, {one} AS x FROM {table}) SELECT id, x FROM w ORDER BY id LIMIT 3"),
            6 => format!("SELECT {one}, (SELECT MAX(id) FROM t0) FROM {table} ORDER BY id"),
            _ => format!("SELECT id, {one}, {two} FROM {table} WHERE {condition} ORDER BY id"),
        }
    }

    fn value(&mut self) -> String {
        match self.below(7) {
            0 => "NULL".to_owned(),
            1 => format!("'{}'", self.any(&["abc", "ä€😀", "it''s", "", "12x", "a\\nb"])),
            2 => self.any(&VARIABLES).to_owned(),
            3 => "DEFAULT".to_owned(),
            _ => self.below(40).to_string(),
        }
    }

    fn insert(&mut self) -> String {
        let table = self.any(&TABLES);
        let (n, s) = (self.value(), self.value());
        let verb = self.any(&["INSERT", "INSERT", "INSERT IGNORE", "REPLACE"]);
        match self.below(6) {
            0 => format!("{verb} INTO {table} (n, s) SELECT n + 40, s FROM t1 ORDER BY id LIMIT 3"),
            1 => format!(
                "INSERT INTO {table} (n, s) VALUES ({n}, {s}) ON DUPLICATE KEY UPDATE s = VALUES(s), id = LAST_INSERT_ID(id)"
            ),
            2 => format!("{verb} INTO {table} (n, s) VALUES ({n}, {s}) RETURNING id, n, s"),
            3 => format!(
                "{verb} INTO {table} (n, s, d, b, w, j, e, m, y, t, u) VALUES ({n}, {s}, 12.3456, 0x00ff, '2024-02-29 12:00:00.1234', '{{\"k\": [1, 2]}}', 'b', \
                 b'101', 2024, '-12:34:56.7', '123e4567-e89b-12d3-a456-426655440000')"
            ),
            4 => format!("{verb} INTO {table} (n, s) VALUES ({n}, {s}), (NULL, 'second'), (NULL, NULL)"),
            _ => format!("{verb} INTO {table} (n, s) VALUES ({n}, {s})"),
        }
    }

    fn update(&mut self) -> String {
        let (table, condition, value) = (self.any(&TABLES), self.any(&CONDITIONS), self.value());
        match self.below(4) {
            0 => format!("UPDATE {table} SET n = n + 100 WHERE {condition} ORDER BY id LIMIT 2"),
            1 => format!("UPDATE {table} SET s = (@b := CONCAT('set ', id)) WHERE {condition} ORDER BY id LIMIT 1"),
            2 => format!("UPDATE IGNORE {table} SET n = {value} WHERE {condition} ORDER BY id"),
            _ => format!("UPDATE {table} SET s = {value}, d = d + 1 WHERE {condition} ORDER BY id"),
        }
    }

    fn delete(&mut self) -> String {
        let (table, condition) = (self.any(&TABLES), self.any(&CONDITIONS));
        match self.below(5) {
            0 => format!("DELETE FROM {table} WHERE {condition} ORDER BY id LIMIT 1 RETURNING id"),
            1 => format!("TRUNCATE TABLE {table}"),
            _ => format!("DELETE FROM {table} WHERE {condition} ORDER BY id LIMIT 2"),
        }
    }

    fn definition(&mut self) -> String {
        let table = self.any(&TABLES);
        match self.below(6) {
            0 => Self::table(table),
            1 => format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS x INT DEFAULT 5"),
            2 => format!("ALTER TABLE {table} DROP COLUMN IF EXISTS x"),
            3 => format!("CREATE INDEX i ON {table} (s)"),
            4 => format!("DROP INDEX IF EXISTS i ON {table}"),
            _ => "CREATE TABLE t0 (id INT)".to_owned(),
        }
    }

    fn temporary(&mut self) -> String {
        let name = self.any(&TEMPORARY);
        match self.below(5) {
            0 | 1 => format!(
                "CREATE TEMPORARY TABLE {name} (id INT PRIMARY KEY, n INT, s VARCHAR(9), d DECIMAL(5,2), b BLOB)"
            ),
            2 => format!("INSERT INTO {name} (id, n, s) VALUES ({}, 1, 'tmp')", self.below(5)),
            3 => format!("DROP TEMPORARY TABLE IF EXISTS {name}"),
            _ => format!("CREATE OR REPLACE TEMPORARY TABLE {name} AS SELECT id, n, s FROM t0 ORDER BY id LIMIT 3"),
        }
    }

    fn variable(&mut self) -> String {
        let (one, two, value) = (self.any(&VARIABLES), self.any(&VARIABLES), self.below(50));
        match self.below(7) {
            0 => format!("SET {one} = {value}"),
            1 => format!("SET {one} = 'text', {two} = {one}"),
            2 => format!("SELECT {one} := {value}, {two}"),
            3 => format!("SELECT COUNT(*) INTO {one} FROM t0"),
            4 => format!("SET {one} = (SELECT MAX(id) FROM t1)"),
            _ => format!("SELECT {one}, {two}"),
        }
    }

    fn call(&mut self) -> String {
        let value = self.below(30);
        match self.below(7) {
            0 => format!("CALL p0({value}, @a)"),
            1 => "CALL p1()".to_owned(),
            2 => format!("SELECT f1({value})"),
            3 => "SELECT NEXTVAL(q0)".to_owned(),
            4 => "SELECT LASTVAL(q0)".to_owned(),
            5 => format!(
                "PREPARE st FROM 'SELECT id, n + ? FROM t0 ORDER BY id LIMIT {}'",
                value % 5
            ),
            _ => "EXECUTE st USING @a".to_owned(),
        }
    }

    fn arguments(&mut self) -> Vec<Arg> {
        (0..2)
            .map(|_| match self.below(5) {
                0 => Arg::Null,
                1 => Arg::Double(1.5),
                2 => Arg::from(self.any(&["abc", "ä€😀", "7", ""])),
                _ => Arg::Int(i64::try_from(self.below(50)).unwrap_or_default()),
            })
            .collect()
    }

    fn prepared(&mut self) -> Step {
        let table = self.any(&TABLES);
        let sql = match self.below(9) {
            0 => format!("INSERT INTO {table} (n, s) VALUES (?, ?)"),
            1 => format!("UPDATE {table} SET s = ? WHERE id = ?"),
            2 => format!("DELETE FROM {table} WHERE n = ? AND id > ?"),
            3 => "CALL p0(?, ?)".to_owned(),
            4 => "SELECT ?, ?, @a, @b".to_owned(),
            5 => "INSERT INTO t1 (n, s) VALUES (?, ?) RETURNING id, n".to_owned(),
            6 => format!(
                "SELECT id, {} FROM {table} WHERE n > ? OR s = ? ORDER BY id",
                self.any(&EXPRESSIONS)
            ),
            7 => "SELECT nothing, ? FROM nowhere WHERE ?".to_owned(),
            _ => format!("SELECT * FROM {table} WHERE id < ? AND n <> ? ORDER BY id"),
        };
        let count = 1 + self.below(3);
        Step::Prepared {
            sql,
            runs: (0..count).map(|_| self.arguments()).collect(),
            types_once: false,
            keep: self.below(2) == 0,
        }
    }
}
