//! Results computed from a binlog are what the server reported, statement by statement.

use std::time::Duration;

use quorate_model::Epoch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Done, Session};
use super::lab::{At, Lab};
use crate::mysql::recover::marker::{Mark, Marker, Target, mark_of};
use crate::mysql::recover::resolve::{Limits, Resolver};
use crate::mysql::recover::verdict::{Question, Subject, Verdict};

pub(super) fn resolver(at: At, patience: Duration) -> (Resolver, TaskTracker) {
    let tasks = TaskTracker::new();
    let limits = Limits {
        patience,
        scan_bytes_max: 1 << 30,
    };
    (Resolver::start(at, limits, &tasks, CancellationToken::new()), tasks)
}

const SCHEMA: [&str; 12] = [
    "CREATE DATABASE app",
    "USE app",
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT, k INT UNIQUE, s VARCHAR(300) DEFAULT 'x')",
    "CREATE TABLE u (id BIGINT PRIMARY KEY, v INT)",
    "CREATE TABLE w (a TINYINT, n TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, b DECIMAL(20,7), c CHAR(200), d ENUM('a','b'), \
     e SET('a','b'), f DATETIME(3), g TIMESTAMP(6) NULL, h TIME(1), i DATE, j YEAR, k BIT(11), l FLOAT, m DOUBLE, \
     o MEDIUMBLOB, p JSON, q MEDIUMINT, r SMALLINT, s INET6, x UUID, y GEOMETRY, z VARCHAR(20) COMPRESSED)",
    "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
    "CREATE TABLE g (id INT PRIMARY KEY, v INT)",
    "CREATE TRIGGER g1 BEFORE INSERT ON g FOR EACH ROW INSERT INTO log (v) VALUES (NEW.v)",
    "CREATE TRIGGER g2 BEFORE UPDATE ON g FOR EACH ROW INSERT INTO log (v) VALUES (NEW.v)",
    "CREATE TABLE m (id INT) ENGINE = MyISAM",
    "CREATE TABLE h (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
    "CREATE TABLE many (id INT PRIMARY KEY, s VARCHAR(2000))",
];

/// In this order; what begins with `?` need not have a result, what begins with `!` need not be found.
const STATEMENTS: [&str; 48] = [
    "INSERT INTO t (v, k) VALUES (1, 1), (2, 2), (3, 3)",
    "INSERT INTO t (v, k) VALUES (4, 4)",
    "INSERT INTO t VALUES (100, 5, 100, 'explicit')",
    "?INSERT INTO t VALUES (NULL, 5, 101, 'a'), (NULL, 5, 102, 'b')",
    "INSERT INTO t SET v = 7, k = 7",
    "INSERT IGNORE INTO t (v, k) VALUES (9, 1), (9, 9)",
    "INSERT INTO t (v, k) VALUES (9, 9) ON DUPLICATE KEY UPDATE v = v + 1",
    "INSERT INTO t (v, k) VALUES (10, 10) ON DUPLICATE KEY UPDATE v = v + 1",
    "INSERT INTO t (v, k) VALUES (10, 10), (11, 11) ON DUPLICATE KEY UPDATE v = v + 1",
    "INSERT INTO t (v, k) VALUES (11, 11) ON DUPLICATE KEY UPDATE v = v",
    "REPLACE INTO t (id, v, k) VALUES (1, 70, 1)",
    "REPLACE INTO t (v, k) VALUES (71, 2)",
    "REPLACE INTO t (id, v, k) VALUES (3, 3, 4)",
    "REPLACE INTO u VALUES (1, 1), (2, 2)",
    "REPLACE INTO u VALUES (1, 1), (2, 3), (3, 3)",
    "UPDATE t SET v = v + 1 WHERE k < 5",
    "UPDATE t SET v = 8",
    "UPDATE t SET v = 8",
    "UPDATE app.t AS b SET b.v = 9 WHERE b.k = 7",
    "UPDATE t SET v = v + 1 WHERE k = 12345",
    "UPDATE t SET id = id + 1000 ORDER BY id DESC LIMIT 2",
    "DELETE FROM t WHERE k = 7",
    "DELETE FROM t WHERE k = 7",
    "INSERT INTO u SELECT id + 10, v FROM t",
    "INSERT INTO t (v) SELECT v FROM u",
    "?UPDATE t, u SET t.v = t.v + 1, u.v = 3 WHERE t.id = u.id",
    "?DELETE t, u FROM t JOIN u ON t.id = u.id",
    "?UPDATE t SET v = LAST_INSERT_ID(v + 1) LIMIT 1",
    "?INSERT INTO t (v) VALUES (5) RETURNING id",
    "INSERT INTO w VALUES (-1, NULL, 1.5, REPEAT('c', 200), 'b', 'a,b', NOW(3), NOW(6), '01:02:03.4', NOW(), 2026, 1025, \
     1.5, 2.5, REPEAT('o', 70000), '{}', -3, -4, '::1', UUID(), POINT(1, 2), 'zz')",
    "INSERT INTO w (a) VALUES (1), (2), (3)",
    "UPDATE w SET a = a + 1, c = REPEAT('d', 100), p = NULL",
    "!INSERT INTO g VALUES (1, 1), (2, 2)",
    "!UPDATE g SET v = v + 1",
    "!UPDATE g SET v = v",
    "UPDATE t SET v = v + 1 WHERE k = 54321",
    "?INSERT INTO m VALUES (1), (2)",
    "?INSERT INTO h VALUES (1, 1)",
    "?UPDATE h SET v = 2",
    "?DELETE FROM h",
    "INSERT INTO many SELECT seq, REPEAT('s', 2000) FROM seq_1_to_500",
    "UPDATE many SET s = REPEAT('t', 1999) WHERE id > 50",
    "DELETE FROM many",
    "CREATE TABLE d (id INT)",
    "ALTER TABLE d ADD v INT",
    "TRUNCATE TABLE d",
    "CREATE DATABASE other",
    "RENAME TABLE d TO other.d",
];

struct Case {
    sql: &'static str,
    marker: Marker,
    after: u64,
    thread: u32,
    done: Done,
}

async fn run_all(lab: &Lab) -> Vec<Case> {
    let mut setup = Session::open(&lab.primary.socket(), false).await;
    let mut after = 0;
    for sql in SCHEMA {
        after = setup.run(sql).await.unwrap().seq.unwrap_or(after);
    }
    let mut cases = Vec::new();
    for sql in STATEMENTS {
        let mut session = Session::open(&lab.primary.socket(), false).await;
        session.run("USE app").await.unwrap();
        let plain = sql.trim_start_matches(['?', '!']);
        let done = session
            .marked(plain)
            .await
            .unwrap_or_else(|why| panic!("{sql}: {why:?}"));
        cases.push(Case {
            sql,
            marker: session.marker,
            after,
            thread: session.thread,
            done,
        });
        after = done.seq.unwrap_or(after);
    }
    cases
}

fn question(case: &Case, epoch: Epoch) -> Question {
    Question {
        marker: case.marker,
        after: case.after,
        subject: match mark_of(case.sql.trim_start_matches(['?', '!']).as_bytes()) {
            Mark::Text => Subject::Definition,
            Mark::Rows | Mark::None => Subject::Statement { found_rows: false },
        },
        target: Target::of(case.sql.trim_start_matches(['?', '!']).as_bytes()),
        epoch,
        thread: case.thread,
    }
}

async fn check(at: At, cases: &[Case], epoch: Epoch) {
    let (resolver, _tasks) = resolver(at, Duration::from_secs(20));
    for case in cases {
        let verdict = resolver.ask(question(case, epoch)).await;
        let Some(seq) = case.done.seq else {
            assert_eq!(verdict, Verdict::NotCommitted, "{}", case.sql);
            continue;
        };
        let expected = Verdict::Committed {
            affected: case.done.affected,
            last_insert_id: case.done.last_insert_id,
            seq,
        };
        let is_hidden = matches!(&verdict, Verdict::Unprovable { why } if why.contains("trigger"));
        let is_unknown = matches!(verdict, Verdict::CommittedUnknownResult { seq: found, .. } if found == seq);
        assert!(
            verdict == expected || case.sql.starts_with('?') && is_unknown || case.sql.starts_with('!') && is_hidden,
            "{}: {verdict:?} in place of {expected:?}",
            case.sql
        );
    }
}

/// Asked in place, of the primary; and of the replica after the epoch has ended.
#[tokio::test]
async fn results_from_the_binlog_are_those_that_the_server_reported() {
    let mut lab = Lab::start().await;
    let cases = run_all(&lab).await;
    let here = At {
        socket: lab.primary.socket(),
        replicated: u64::MAX,
        epoch: lab.epoch,
    };
    check(here, &cases, lab.epoch).await;
    let old = lab.epoch;
    lab.epoch = old.next();
    lab.write_epoch().await;
    lab.in_step().await;
    let there = At {
        socket: lab.replica.socket(),
        replicated: 0,
        epoch: lab.epoch,
    };
    check(there, &cases, old).await;
}
