//! What a session has set is there wherever it reads, and nowhere else.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::{Arg, Login, Session, command};

use crate::Case;
use crate::world::{GUEST, PASSWORD, USER, World};

pub(super) const CASES: &[Case] = &[
    ("s57_temporary_tables_are_read_where_they_are", s57_temporary_tables),
    ("s60_user_variables_have_one_value", s60_user_variables),
    ("s62_change_user_and_reset_leave_nothing_behind", s62_leftovers),
    ("the_first_text_is_read_as_the_login_and_the_server_say", first_texts),
    ("pins_end_when_nothing_is_left_of_what_set_them", pins_end),
    (
        "what_the_client_lets_the_server_report_is_not_all_that_is_known",
        s60_tracked,
    ),
    ("s74_set_global_goes_to_the_primary_alone", s74_set_global),
];

fn s57_temporary_tables(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE PROCEDURE p57() BEGIN CREATE OR REPLACE TEMPORARY TABLE t57 (id INT); INSERT INTO t57 VALUES (3); END",
        "CREATE OR REPLACE TABLE s57 (id INT PRIMARY KEY)",
        "INSERT INTO s57 VALUES (4)",
    ])?;
    let mut session = world.session()?;
    let reads = |session: &mut Session, id: &str| -> Result<()> {
        for _ in 0..5 {
            ensure!(session.value("SELECT id FROM t57")? == id, "t57 lacks {id}");
            ensure!(session.value("DESCRIBE t57")? == "id");
            ensure!(session.value("SHOW CREATE TABLE t57")? == "t57");
            ensure!(session.value("SELECT COUNT(*) FROM s57, t57")? == "1", "t57 in a join");
        }
        session.run("DROP TEMPORARY TABLE t57").map(drop)
    };
    let before = session.query("SELECT id FROM s57")?;
    session.run("CREATE TEMPORARY TABLE t57 (id INT); INSERT INTO t57 VALUES (1)")?;
    reads(&mut session, "1")?;
    for sql in ["CREATE TEMPORARY TABLE t57 (id INT)", "INSERT INTO t57 VALUES (2)"] {
        let id = session.prepare(sql)?.id;
        session.execute(id, &[])?;
    }
    reads(&mut session, "2")?;
    session.run("CALL p57()")?;
    reads(&mut session, "3")?;
    session.run("CREATE TEMPORARY TABLE t57 AS SELECT id FROM s57")?;
    reads(&mut session, "4")?;
    // One that hides a table of the same name.
    session.run("CREATE TEMPORARY TABLE s57 (id INT)")?;
    for _ in 0..5 {
        ensure!(
            session.rows("SELECT id FROM s57")?.is_empty(),
            "the hidden table was read"
        );
    }
    let target = explained(&mut session, "SELECT id FROM s57", "target")?;
    ensure!(target == "primary", "EXPLAIN ROUTE says {target}");
    session.run("DROP TEMPORARY TABLE s57")?;
    for node in world.replicas()? {
        let hinted = format!("/* quorate route to node {node} */ SELECT 1");
        let target = explained(&mut session, &hinted, "target")?;
        ensure!(target.starts_with(&format!("replica {node}")), "{hinted}: {target}");
    }
    ensure!(session.query("SELECT id FROM s57")?.packets == before.packets);
    Ok(())
}

fn s60_user_variables(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s60 (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s60 VALUES (1, 0), (2, 0)",
        "CREATE OR REPLACE PROCEDURE p60(OUT o INT) BEGIN SET @inside = 8; SELECT COUNT(*) + 40 INTO o FROM s60; END",
        "CREATE OR REPLACE FUNCTION f60() RETURNS INT READS SQL DATA BEGIN SET @called = 9; RETURN 1; END",
    ])?;
    let mut session = world.session()?;
    for turn in 0..10 {
        for (set, get, value) in [
            ("SELECT @a := 41 + 1", "SELECT @a", "42"),
            ("SELECT @a := @a + 1 FROM s60", "SELECT @a + COUNT(*) FROM s60", "46"),
            ("UPDATE s60 SET v = (@b := 7)", "SELECT @b", "7"),
            ("CALL p60(@out)", "SELECT @out", "42"),
            ("SET @n = 5", "SELECT @inside + @n", "13"),
            ("SELECT f60()", "SELECT @called", "9"),
            ("SET @c = (SELECT COUNT(*) FROM s60)", "SELECT @c", "2"),
            (
                "SELECT MAX(id), MIN(id) INTO @d, @e FROM s60",
                "SELECT CONCAT(@d, @e)",
                "21",
            ),
            ("SET @t = 'it''s; @x = 1'", "SELECT @t", "it's; @x = 1"),
            ("SET @n = NULL", "SELECT @n", "NULL"),
        ] {
            session.run(set)?;
            for _ in 0..2 {
                let found = session.value(get)?;
                ensure!(found == value, "turn {turn}: {get} is {found} after {set}");
            }
        }
    }
    Ok(())
}

/// Everything that could be left behind.
const DIRT: &[&str] = &[
    "SET @dirt = 1",
    "SET sql_mode = 'ANSI_QUOTES', autocommit = 0, character_set_results = latin1",
    "SET time_zone = '+03:00', sql_select_limit = 1",
    "CREATE OR REPLACE TEMPORARY TABLE dirt (id INT)",
    "PREPARE dirt FROM 'SELECT 1'",
    "INSERT INTO s62 VALUES (1)",
    "SELECT GET_LOCK('dirt', 0)",
];

/// Whether nothing of it is there.
fn is_clean(session: &mut Session, user: &str, database: &str) -> Result<()> {
    // A server takes a moment to see that a client has gone.
    for _ in 0..500 {
        if session.value("SELECT IS_FREE_LOCK('dirt')")? == "1" {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    ensure!(session.value("SELECT IS_FREE_LOCK('dirt')")? == "1", "the lock is left");
    for (sql, value) in [
        ("SELECT @dirt", "NULL"),
        ("SELECT @@autocommit", "1"),
        ("SELECT @@character_set_results", "utf8mb4"),
        ("SELECT @@sql_mode = @@global.sql_mode", "1"),
        ("SELECT @@time_zone = @@global.time_zone", "1"),
        ("SELECT @@sql_select_limit > 1", "1"),
        ("SELECT COUNT(*) FROM compat.s62", "0"),
        ("SELECT DATABASE()", database),
    ] {
        let found = session.value(sql)?;
        ensure!(found == value, "{sql}: {found} instead of {value}");
    }
    let found = session.value("SELECT CURRENT_USER()")?;
    ensure!(found == format!("{user}@localhost"), "{found} instead of {user}");
    let code = session.refused("SELECT id FROM compat.dirt")?.code;
    ensure!(code == 1146 || code == 1142, "the temporary table is left: {code}");
    ensure!(
        session.refused("EXECUTE dirt")?.code == 1243,
        "the prepared statement is left"
    );
    Ok(())
}

fn s62_leftovers(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s62 (id INT PRIMARY KEY)"])?;
    let mut session = world.session()?;
    for turn in 0..15 {
        for sql in DIRT {
            session.run(sql)?;
        }
        let stale = session.prepare("SELECT 1")?.id;
        match turn % 3 {
            0 => {
                session.change_user(GUEST, PASSWORD, "")?;
                is_clean(&mut session, GUEST, "NULL")?;
                ensure!(session.refused("INSERT INTO compat.s62 VALUES (1)")?.code == 1142);
                session.change_user(USER, PASSWORD, "compat")?;
            }
            1 => {
                ensure!(session.ask(command::RESET, &[])?.error().is_none());
            }
            _ => session = world.session()?,
        }
        is_clean(&mut session, USER, "compat")?;
        if turn % 3 != 2 {
            let error = session.execute_with(stale, &[], false, true)?;
            ensure!(
                error.error().is_some_and(|error| error.code == 1243),
                "statement {stale} is left"
            );
        }
    }
    reset_ends_reading(&mut session)?;
    // A change that is refused ends the session, as it does on the server.
    ensure!(session.change_user(GUEST, "wrong", "").is_err());
    Ok(())
}

/// A reset that ends a read-only transaction, which is on a replica, resets what the primary knows of the session.
fn reset_ends_reading(session: &mut Session) -> Result<()> {
    let on_primary = "/* quorate route to primary */ SELECT seq FROM seq_1_to_5";
    session.run("SET sql_select_limit = 2")?;
    ensure!(session.rows(on_primary)?.len() == 2);
    session.run("START TRANSACTION READ ONLY")?;
    ensure!(session.rows("SELECT id FROM s62")?.is_empty());
    ensure!(session.ask(command::RESET, &[])?.error().is_none());
    let (there, anywhere) = (session.rows(on_primary)?, session.rows("SELECT seq FROM seq_1_to_5")?);
    ensure!(
        there.len() == 5 && anywhere.len() == 5,
        "the primary still has what was set before"
    );
    Ok(())
}

/// What `EXPLAIN ROUTE` says of a text.
fn explained(session: &mut Session, text: &str, item: &str) -> Result<String> {
    let rows = session.rows(&format!("EXPLAIN ROUTE {text}"))?;
    let row = rows.into_iter().find(|row| row[0].as_deref() == Some(item));
    row.and_then(|row| row[1].clone()).with_context(|| format!("no {item}"))
}

/// What a session takes a text for.
fn class(session: &mut Session, text: &str) -> Result<String> {
    explained(session, text, "class")
}

fn first_texts(world: &World) -> Result<()> {
    let nodes = [vec![world.primary()?], world.replicas()?].concat();
    let before = world.on_server(&nodes[0], "SELECT @@global.sql_mode")?;
    let set = |mode: &str| -> Result<()> {
        for node in &nodes {
            world.on_server(node, &format!("SET GLOBAL sql_mode = '{mode}'"))?;
        }
        Ok(())
    };
    // A stored function is called, or is a part of a string.
    let modes = [
        ("ANSI_QUOTES", r#"SELECT "f77"()"#, "read-primary"),
        ("NO_BACKSLASH_ESCAPES", r"SELECT '\'', f77(), '\''", "read"),
    ];
    for (mode, text, expected) in modes {
        let usual = class(&mut world.session()?, text)?;
        ensure!(usual != expected, "{text} is {usual} anyway");
        set(mode)?;
        let seen = read_as(world, text, expected);
        set(before.trim())?;
        seen.with_context(|| mode.to_owned())?;
    }
    // Of gbk, the second byte of a character may be a backslash; the text is the primary's to read.
    let gbk = Login {
        collation: Some(28),
        ..world.through()?
    };
    let text = "SELECT @@server_id, 'é'";
    let primary = world.primary_id()?;
    let mut session = Session::open(&gbk)?;
    ensure!(session.value(text)? == primary, "a text of gbk is trusted");
    session.run("SET NAMES utf8mb4")?;
    ensure!(session.value(text)? != primary, "a text of utf8mb4 is not trusted");
    ensure!(session.ask(command::RESET, &[])?.error().is_none());
    ensure!(session.value(text)? == primary, "after a reset");
    ensure!(session.value("SELECT @@character_set_client")? == "gbk");
    Ok(())
}

/// In the first statement of a session, and after all that makes it a new one.
fn read_as(world: &World, text: &str, expected: &str) -> Result<()> {
    let mut session = world.session()?;
    for _ in 0..100 {
        if class(&mut session, text)? == expected {
            break;
        }
        thread::sleep(Duration::from_millis(20));
        session = world.session()?;
    }
    ensure!(class(&mut session, text)? == expected, "after a login");
    session.run("SET sql_mode = ''")?;
    ensure!(class(&mut session, text)? != expected, "after SET");
    ensure!(session.ask(command::RESET, &[])?.error().is_none());
    ensure!(class(&mut session, text)? == expected, "after a reset");
    session.run("SET sql_mode = ''")?;
    session.change_user(GUEST, PASSWORD, "")?;
    ensure!(class(&mut session, text)? == expected, "after a change of user");
    Ok(())
}

/// The pins of a session.
fn pins(session: &mut Session) -> Result<Vec<String>> {
    let rows = session.rows("SHOW QUORATE PINS")?;
    Ok(rows.into_iter().filter_map(|mut row| row.swap_remove(0)).collect())
}

/// Statements, and the pin that is there after each; empty for none.
const PINNING: &[(&str, &str)] = &[
    ("SELECT GET_LOCK('pins a', 0)", "user lock"),
    ("SELECT GET_LOCK('pins a', 0)", "user lock"),
    ("SELECT GET_LOCK('pins b', 0) AS b", "user lock"),
    ("SELECT RELEASE_LOCK('pins a')", "user lock"),
    ("SELECT RELEASE_LOCK('pins c')", "user lock"),
    ("SELECT RELEASE_LOCK('pins b')", "user lock"),
    ("SELECT RELEASE_LOCK('pins a')", ""),
    ("DO GET_LOCK('pins a', 0)", "user lock"),
    ("SELECT RELEASE_LOCK('pins a')", "user lock"),
    ("SELECT RELEASE_ALL_LOCKS()", ""),
    ("XA RECOVER", ""),
    ("XA START 'pins'", "xa transaction"),
    ("INSERT INTO pins (id) VALUES (1)", "xa transaction"),
    ("XA END 'pins'", "xa transaction"),
    ("XA PREPARE 'pins'", "xa transaction"),
    ("XA COMMIT 'pins'", ""),
    ("XA START 'pins'", "xa transaction"),
    ("XA END 'pins'", "xa transaction"),
    ("XA ROLLBACK 'pins'", ""),
    ("HANDLER pins OPEN", "handler"),
    ("HANDLER pins OPEN AS h", "handler"),
    ("HANDLER h READ FIRST", "handler"),
    ("HANDLER h CLOSE", "handler"),
    ("HANDLER pins CLOSE", ""),
    ("PREPARE one FROM 'SELECT 1'", "prepared text"),
    ("PREPARE two FROM 'SELECT ?'", "prepared text"),
    ("EXECUTE one", "prepared text"),
    ("DEALLOCATE PREPARE one", "prepared text"),
    ("DROP PREPARE two", ""),
    ("SELECT GET_LOCK('pins a', 0)", "user lock"),
    ("SELECT RELEASE_LOCK('pins a')", ""),
];

fn pins_end(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE pins (id INT PRIMARY KEY)"])?;
    let (mut session, mut other) = (world.session()?, world.direct()?);
    for (sql, expected) in PINNING {
        session.run(sql)?;
        let found = pins(&mut session)?;
        ensure!(found.join(", ") == *expected, "{sql}: pinned by {found:?}");
    }
    // Through the binary protocol, where the value is a number.
    let take = session.prepare("SELECT GET_LOCK(?, ?)")?.id;
    let release = session.prepare("SELECT RELEASE_LOCK(?)")?.id;
    let name = || Arg::from("pins a");
    session.execute(take, &[name(), Arg::Int(0)])?;
    ensure!(pins(&mut session)? == ["user lock"]);
    ensure!(other.value("SELECT GET_LOCK('pins a', 0)")? == "0");
    session.execute(release, &[name()])?;
    ensure!(pins(&mut session)?.is_empty());
    // One that was not got pins nothing.
    ensure!(other.value("SELECT GET_LOCK('pins a', 0)")? == "1");
    session.execute(take, &[name(), Arg::Int(0)])?;
    ensure!(session.value("SELECT GET_LOCK('pins a', 0)")? == "0");
    ensure!(pins(&mut session)?.is_empty());
    Ok(())
}

fn s60_tracked(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s60t (id INT PRIMARY KEY AUTO_INCREMENT)"])?;
    // As MariaDB's connector for Java connects, with more to set before it and after.
    let connector = "set sql_mode=CONCAT(@@sql_mode,',HIGH_NOT_PRECEDENCE'),session_track_system_variables = \
                     CONCAT(@@global.session_track_system_variables,',tx_isolation'),max_statement_time=77";
    let several = "SET session_track_state_change = 0; SET SESSION session_track_system_variables = ''";
    let replica = world.replicas()?.swap_remove(0);
    let settings = format!(
        "/* quorate route to node {replica} */ SELECT @@sql_mode LIKE '%HIGH_NOT_PRECEDENCE%', @@max_statement_time"
    );
    for (sql, is_prepared) in [(connector, false), (connector, true), (several, false)] {
        let mut session = world.session()?;
        if is_prepared {
            let id = session.prepare(sql)?.id;
            session.execute(id, &[])?;
        } else {
            session.run(sql)?;
        }
        for _ in 0..3 {
            let before = session.value("SHOW QUORATE TOKEN")?;
            session.run("INSERT INTO s60t VALUES ()")?;
            let after = session.value("SHOW QUORATE TOKEN")?;
            ensure!(after != before, "{sql}: no position was told");
        }
        if sql == connector {
            let found = session.rows(&settings)?;
            let expected = ["1", "77.000000"].map(|value| Some(value.to_owned()));
            ensure!(found == [expected], "{sql}, prepared: {is_prepared}: {found:?}");
            ensure!(pins(&mut session)?.is_empty(), "{sql} pins the session");
        }
        ensure!(session.ask(command::RESET, &[])?.error().is_none());
        ensure!(
            session.value("SELECT @@max_statement_time")? == "0.000000",
            "after a reset"
        );
    }
    Ok(())
}

fn s74_set_global(world: &World) -> Result<()> {
    let mut session = Session::open(&world.as_admin(world.through()?)?)?;
    session.run("SET GLOBAL max_connect_errors = 4711")?;
    let nodes = [vec![world.primary()?], world.replicas()?].concat();
    for (nth, node) in nodes.iter().enumerate() {
        let value = world.on_server(node, "SELECT @@global.max_connect_errors")?;
        ensure!((value.trim() == "4711") == (nth == 0), "{node} has {value}");
    }
    session.run("SET GLOBAL max_connect_errors = DEFAULT").map(drop)
}
