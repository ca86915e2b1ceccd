//! Which statements there are.
//!
//! Everything is said so that equal servers must answer equally: no clocks, no chance, an order wherever there is more than one row.
//!
//! Which rows a statement locks beside those that it changes is the optimizer's choice, by estimates, and depends on how far deleted
//! rows are cleared away; so the same two sessions wait for each other at one time and do not at another. Therefore each session locks
//! rows of tables of its own, and reads those of all. Where sessions shall meet there is a table for it, whose rows stay, and are
//! locked one by one by their key.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::step::Step;
use super::words::{CONDITIONS, EXPRESSIONS, ODDITIES, SETTINGS, VARIABLES};
use crate::wire::Arg;

/// Sessions that take turns.
pub(super) const SESSIONS: usize = 4;
/// Tables that are there most of the time: two of each session.
pub(super) const TABLES: [&str; 2 * SESSIONS] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"];
/// The rows that all sessions lock.
pub(super) const MEETING: &str = "meet";
const MEETING_ROWS: usize = 3;
/// Draws statements.
#[derive(Debug)]
pub struct Grammar {
    rng: StdRng,
    /// Whose statement it is.
    session: usize,
}

impl Grammar {
    /// From one seed always the same.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng, session: 0 }
    }

    /// What both databases begin with.
    #[must_use]
    pub fn schema() -> Vec<String> {
        let mut all: Vec<String> = TABLES.iter().map(|table| Self::table(table)).collect();
        for sql in [
            "CREATE OR REPLACE SEQUENCE q0",
            "CREATE OR REPLACE FUNCTION f0(x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
            "CREATE OR REPLACE PROCEDURE p1() BEGIN CREATE OR REPLACE TEMPORARY TABLE tmp (id INT PRIMARY KEY, n INT, s VARCHAR(9)); INSERT INTO tmp VALUES (1, 1, 'p1'); END",
            "CREATE OR REPLACE VIEW v0 AS SELECT id, n, s FROM t0",
        ] {
            all.push(sql.to_owned());
        }
        for session in 0..SESSIONS {
            let [one, two] = Self::tables_of(session);
            all.push(format!(
                "CREATE OR REPLACE FUNCTION f1_{session}(x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA \
                 BEGIN INSERT INTO {one} (n) VALUES (x); SET @c = x; RETURN x; END"
            ));
            all.push(format!(
                "CREATE OR REPLACE PROCEDURE p0_{session}(IN x INT, OUT o INT) BEGIN SELECT x; UPDATE {two} SET n = x WHERE id = 1; \
                 SELECT 'two', id FROM {two} ORDER BY id LIMIT 2; SET o = x + 1; END"
            ));
        }
        all.push(format!(
            "CREATE OR REPLACE TABLE {MEETING} (id INT PRIMARY KEY, n INT NOT NULL)"
        ));
        all.push(format!(
            "INSERT INTO {MEETING} SELECT seq, 0 FROM seq_1_to_{MEETING_ROWS}"
        ));
        all
    }

    const fn tables_of(session: usize) -> [&'static str; 2] {
        [TABLES[2 * session], TABLES[2 * session + 1]]
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

    /// A table of the session's own.
    fn own(&mut self) -> &'static str {
        Self::tables_of(self.session)[self.below(2)]
    }

    /// A name for a temporary table; one of them hides a table.
    fn temporary_name(&mut self) -> &'static str {
        ["tmp", Self::tables_of(self.session)[1]][self.below(2)]
    }

    /// Any session's table, its own more often.
    fn some(&mut self) -> &'static str {
        if self.below(2) == 0 {
            self.own()
        } else {
            self.any(&TABLES)
        }
    }

    /// The next step of a session, below `SESSIONS`.
    pub fn step(&mut self, session: usize) -> Step {
        self.session = session;
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
            6 => self.meet(),
            7..9 => self.insert(),
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

    /// A row that other sessions may have locked.
    fn meet(&mut self) -> String {
        let id = 1 + self.below(MEETING_ROWS);
        match self.below(4) {
            0 => format!("SELECT n FROM {MEETING} WHERE id = {id} FOR UPDATE"),
            1 => format!("SELECT n FROM {MEETING} WHERE id = {id} LOCK IN SHARE MODE"),
            2 => format!("SELECT id, n FROM {MEETING} ORDER BY id"),
            _ => format!("UPDATE {MEETING} SET n = n + 1 WHERE id = {id}"),
        }
    }

    fn select(&mut self) -> String {
        let condition = self.any(&CONDITIONS);
        match self.below(10) {
            0 => return "SELECT id, n, s FROM tmp ORDER BY id".to_owned(),
            1 => return "SELECT id, n, s FROM v0 ORDER BY id".to_owned(),
            _ => {}
        }
        let (table, own) = (self.some(), self.own());
        let (one, two) = (self.any(&EXPRESSIONS), self.any(&EXPRESSIONS));
        match self.below(9) {
            0 => format!("SELECT COUNT(*), SUM(n), AVG(d), GROUP_CONCAT(s ORDER BY id) FROM {table} WHERE {condition}"),
            1 => format!("SELECT a.id, b.s FROM {table} a JOIN {own} b ON a.n = b.n ORDER BY a.id, b.id"),
            2 => format!("SELECT id, {one} FROM {own} WHERE {condition} ORDER BY id FOR UPDATE"),
            3 => format!("SELECT * FROM {table} WHERE {condition} ORDER BY id LIMIT 5"),
            4 => format!(
                "(SELECT id, s FROM {table} WHERE id = 1) UNION ALL (SELECT id, s FROM {own} WHERE id = 2) ORDER BY 1, 2"
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
        let (table, other) = (self.own(), self.own());
        let (n, s) = (self.value(), self.value());
        let verb = self.any(&["INSERT", "INSERT", "INSERT IGNORE", "REPLACE"]);
        match self.below(6) {
            0 => format!("{verb} INTO {table} (n, s) SELECT n + 40, s FROM {other} ORDER BY id LIMIT 3"),
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
        let (table, condition, value) = (self.own(), self.any(&CONDITIONS), self.value());
        match self.below(4) {
            0 => format!("UPDATE {table} SET n = n + 100 WHERE {condition} ORDER BY id LIMIT 2"),
            1 => format!("UPDATE {table} SET s = (@b := CONCAT('set ', id)) WHERE {condition} ORDER BY id LIMIT 1"),
            2 => format!("UPDATE IGNORE {table} SET n = {value} WHERE {condition} ORDER BY id"),
            _ => format!("UPDATE {table} SET s = {value}, d = d + 1 WHERE {condition} ORDER BY id"),
        }
    }

    fn delete(&mut self) -> String {
        let (table, condition) = (self.own(), self.any(&CONDITIONS));
        match self.below(5) {
            0 => format!("DELETE FROM {table} WHERE {condition} ORDER BY id LIMIT 1 RETURNING id"),
            1 => format!("TRUNCATE TABLE {table}"),
            _ => format!("DELETE FROM {table} WHERE {condition} ORDER BY id LIMIT 2"),
        }
    }

    fn definition(&mut self) -> String {
        let table = self.own();
        match self.below(6) {
            0 => Self::table(table),
            1 => format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS x INT DEFAULT 5"),
            2 => format!("ALTER TABLE {table} DROP COLUMN IF EXISTS x"),
            3 => format!("CREATE INDEX i ON {table} (s)"),
            4 => format!("DROP INDEX IF EXISTS i ON {table}"),
            _ => format!("CREATE TABLE {table} (id INT)"),
        }
    }

    fn temporary(&mut self) -> String {
        let (name, own) = (self.temporary_name(), self.own());
        match self.below(5) {
            0 | 1 => format!(
                "CREATE TEMPORARY TABLE {name} (id INT PRIMARY KEY, n INT, s VARCHAR(9), d DECIMAL(5,2), b BLOB)"
            ),
            2 => format!("INSERT INTO {name} (id, n, s) VALUES ({}, 1, 'tmp')", self.below(5)),
            3 => format!("DROP TEMPORARY TABLE IF EXISTS {name}"),
            _ => format!("CREATE OR REPLACE TEMPORARY TABLE {name} AS SELECT id, n, s FROM {own} ORDER BY id LIMIT 3"),
        }
    }

    fn variable(&mut self) -> String {
        let (one, two, value) = (self.any(&VARIABLES), self.any(&VARIABLES), self.below(50));
        let own = self.own();
        match self.below(7) {
            0 => format!("SET {one} = {value}"),
            1 => format!("SET {one} = 'text', {two} = {one}"),
            2 => format!("SELECT {one} := {value}, {two}"),
            3 => format!("SELECT COUNT(*) INTO {one} FROM {own}"),
            4 => format!("SET {one} = (SELECT MAX(id) FROM {own})"),
            _ => format!("SELECT {one}, {two}"),
        }
    }

    fn call(&mut self) -> String {
        let (session, own, value) = (self.session, self.own(), self.below(30));
        match self.below(7) {
            0 => format!("CALL p0_{session}({value}, @a)"),
            1 => "CALL p1()".to_owned(),
            2 => format!("SELECT f1_{session}({value})"),
            3 => "SELECT NEXTVAL(q0)".to_owned(),
            4 => "SELECT LASTVAL(q0)".to_owned(),
            5 => format!(
                "PREPARE st FROM 'SELECT id, n + ? FROM {own} ORDER BY id LIMIT {}'",
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
        let (session, own, table) = (self.session, self.own(), self.some());
        let sql = match self.below(9) {
            0 => format!("INSERT INTO {own} (n, s) VALUES (?, ?)"),
            1 => format!("UPDATE {own} SET s = ? WHERE id = ?"),
            2 => format!("DELETE FROM {own} WHERE n = ? AND id > ?"),
            3 => format!("CALL p0_{session}(?, ?)"),
            4 => "SELECT ?, ?, @a, @b".to_owned(),
            5 => format!("INSERT INTO {own} (n, s) VALUES (?, ?) RETURNING id, n"),
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
