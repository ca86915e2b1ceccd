//! Transactions, however they are begun, stay on one server; writes in disguise go to the primary.

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::Session;

use crate::Case;
use crate::world::World;

pub(super) const CASES: &[Case] = &[
    ("s53_begin_and_commit_hidden_in_prepared_statements", s53_hidden),
    ("s54_reads_without_autocommit_stay_on_the_primary", s54_no_autocommit),
    (
        "s55_a_read_only_transaction_stays_on_one_server_and_refuses_writes",
        s55_read_only,
    ),
    ("s55_a_read_only_transaction_that_lost_its_server_is_told_so", s55_lost),
    ("s55_what_comes_after_a_read_only_transaction", s55_after),
    ("s55_what_is_no_part_of_a_read_only_transaction", s55_beside),
    ("s55_nothing_writes_on_a_replica", s55_never),
    ("s55_settings_that_hold_for_one_statement_or_transaction", s55_once),
    ("s56_selects_that_write_or_lock_go_to_the_primary", s56_writing_selects),
];

const HERE: &str = "SELECT @@server_id";

/// Runs a statement through the binary protocol.
fn prepared(session: &mut Session, sql: &str) -> Result<()> {
    let id = session.prepare(sql)?.id;
    session.execute(id, &[])?;
    session.close(id)
}

/// Runs a statement through `PREPARE` and `EXECUTE`.
fn executed(session: &mut Session, sql: &str) -> Result<()> {
    session.run(&format!("PREPARE hidden FROM '{sql}'"))?;
    session.run("EXECUTE hidden")?;
    session.run("DEALLOCATE PREPARE hidden").map(drop)
}

fn s53_hidden(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s53 (id INT PRIMARY KEY)"])?;
    let primary = world.primary_id()?;
    let (mut session, mut other) = (world.session()?, world.direct()?);
    let count = "SELECT COUNT(*) FROM s53";
    for hide in [prepared, executed] {
        for begin in ["BEGIN", "START TRANSACTION", "SET autocommit = 0"] {
            for (end, kept) in [("ROLLBACK", "0"), ("COMMIT", "1")] {
                hide(&mut session, begin)?;
                ensure!(session.value(HERE)? == primary, "{begin}: a read left the primary");
                session.run("INSERT INTO s53 VALUES (1)")?;
                ensure!(session.value(count)? == "1", "{begin}: its own row is not seen");
                ensure!(session.value(HERE)? == primary, "{begin}: a read left the primary");
                ensure!(other.value(count)? == "0", "{begin}: committed too early");
                hide(&mut session, end)?;
                ensure!(other.value(count)? == kept, "{begin}, {end}");
                hide(&mut session, "SET autocommit = 1")?;
                ensure!(session.value(count)? == kept, "{begin}, {end}: read back");
                session.run("DELETE FROM s53")?;
            }
        }
    }
    Ok(())
}

fn s55_lost(world: &World) -> Result<()> {
    let mut session = world.session()?;
    session.run("START TRANSACTION READ ONLY")?;
    let here = session.rows("SELECT CONNECTION_ID() + 0, @@server_id")?;
    let [Some(thread), Some(server)] = &here[0][..] else {
        anyhow::bail!("no thread: {here:?}");
    };
    for node in world.replicas()? {
        if world.on_server(&node, "SELECT @@server_id")?.trim() == server {
            world.on_server(&node, &format!("KILL CONNECTION {thread}"))?;
        }
    }
    let error = session.refused("SELECT 1 FROM DUAL WHERE @@server_id > 0")?;
    ensure!(error.code == 1213, "{error}");
    ensure!(
        session.value("SELECT 1")? == "1",
        "the session ended with its transaction"
    );
    Ok(())
}

fn s54_no_autocommit(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s54 (id INT PRIMARY KEY)"])?;
    let primary = world.primary_id()?;
    let mut session = world.session()?;
    for off in [
        "SET autocommit = 0",
        "SET @@session.autocommit = OFF",
        "SET sql_mode = '', autocommit = FALSE",
    ] {
        session.run(off)?;
        for _ in 0..10 {
            let server = session.value(&format!("{HERE}, COUNT(*) FROM s54"))?;
            ensure!(server == primary, "{off}: read on {server}");
        }
        session.run("COMMIT")?;
        ensure!(session.value(HERE)? == primary, "{off}: after COMMIT");
        session.run("SET autocommit = 1")?;
    }
    Ok(())
}

fn s55_read_only(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s55 (id INT PRIMARY KEY)",
        "INSERT INTO s55 VALUES (1)",
    ])?;
    let mut session = world.session()?;
    for _ in 0..10 {
        session.run("START TRANSACTION READ ONLY")?;
        let first = session.value(&format!("{HERE} FROM s55"))?;
        for _ in 0..5 {
            let next = session.value(&format!("{HERE} FROM s55"))?;
            ensure!(next == first, "moved from {first} to {next}");
        }
        let error = session.refused("INSERT INTO s55 VALUES (2)")?;
        ensure!(error.code == 1792, "{error}");
        ensure!(
            session.value(&format!("{HERE} FROM s55"))? == first,
            "moved after the error"
        );
        session.run("COMMIT")?;
    }
    session.run("INSERT INTO s55 VALUES (2)")?;
    ensure!(session.value("SELECT COUNT(*) FROM s55")? == "2");
    Ok(())
}

fn s55_after(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s55a (id INT PRIMARY KEY)"])?;
    let mut session = world.session()?;
    let begin = "START TRANSACTION READ ONLY";
    // Another transaction ends it, and may write.
    session.run(begin)?;
    session.run("BEGIN")?;
    session.run("INSERT INTO s55a VALUES (1)")?;
    session.run("COMMIT")?;
    ensure!(session.value("SELECT COUNT(*) FROM s55a")? == "1");
    // What is set in it is set afterwards, wherever the session is then.
    session.run(begin)?;
    session.run("SET @kept = 5, time_zone = '+07:00'")?;
    session.run("COMMIT")?;
    for hint in ["", "/* quorate route to primary */ "] {
        ensure!(session.value(&format!("{hint}SELECT CONCAT(@kept, @@time_zone)"))? == "5+07:00");
    }
    // What would be left on a replica is refused there.
    session.run(begin)?;
    for sql in [
        "SELECT COUNT(*) INTO @lost FROM s55a",
        "SELECT @lost := 1",
        "SET @lost = (SELECT 1)",
        "CREATE TEMPORARY TABLE t55 (id INT)",
        "PREPARE lost FROM 'SELECT 1'",
        "SELECT GET_LOCK('s55', 0)",
    ] {
        let error = session.refused(sql)?;
        ensure!(error.code == 1235, "{sql}: {error}");
    }
    ensure!(
        session.value("SELECT COUNT(*) FROM s55a")? == "1",
        "the transaction is over"
    );
    session.run("COMMIT")?;
    // With such things all of it is where they are.
    session.run("SET @held = (SELECT 1)")?;
    session.run("CREATE TEMPORARY TABLE t55 AS SELECT 7 AS id")?;
    session.run(begin)?;
    ensure!(session.value("SELECT @held + id FROM t55")? == "8");
    session.run("COMMIT")?;
    // Autocommit that is switched off within stays off.
    let mut session = world.session()?;
    session.run(begin)?;
    session.run("SET autocommit = 0")?;
    session.run("COMMIT")?;
    ensure!(session.value("SELECT COUNT(*) FROM s55a")? == "1");
    session.run("INSERT INTO s55a VALUES (2)")?;
    ensure!(world.direct()?.value("SELECT COUNT(*) FROM s55a")? == "1");
    session.run("ROLLBACK").map(drop)
}

fn s55_beside(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s55c (id INT PRIMARY KEY)"])?;
    let begin = "START TRANSACTION READ ONLY";
    let primary = world.primary_id()?;
    let mut session = Session::open(&world.as_admin(world.through()?)?)?;
    session.run("USE compat")?;
    // Global settings are the primary's, and the transaction goes on.
    let asked = "SELECT @@global.max_error_count";
    session.run(begin)?;
    let here = session.value(HERE)?;
    ensure!(here != primary, "not on a replica");
    session.run("SET GLOBAL max_error_count = 77")?;
    ensure!(session.value(asked)? == "64", "set on a replica");
    ensure!(session.value(HERE)? == here, "moved");
    session.run("COMMIT")?;
    let mut direct = world.admin()?;
    ensure!(direct.value(asked)? == "77", "not set on the primary");
    direct.run("SET GLOBAL max_error_count = DEFAULT")?;
    // Texts of several statements: in the transaction, behind it, or clearly neither.
    session.run(begin)?;
    let reply = session.query(&format!("{HERE}; SELECT 2"))?;
    ensure!(reply.sets[0].rows[0][0].as_ref() == Some(&here), "two reads left it");
    let error = session.refused("SELECT 1; COMMIT; INSERT INTO s55c VALUES (1)")?;
    ensure!(error.code == 1235, "{error}");
    ensure!(session.value(HERE)? == here, "moved after the error");
    session.run("COMMIT; INSERT INTO s55c VALUES (2)")?;
    ensure!(session.value("SELECT GROUP_CONCAT(id) FROM s55c")? == "2");
    // A definition ends it and is carried out, as at a server.
    session.run(begin)?;
    session.run("ALTER TABLE s55c ADD COLUMN IF NOT EXISTS n INT")?;
    session.run("INSERT INTO s55c VALUES (3, 3)")?;
    ensure!(session.value("SELECT GROUP_CONCAT(id ORDER BY id) FROM s55c")? == "2,3");
    // A write is refused by the transaction, and is remembered so.
    session.run(begin)?;
    let error = session.refused("INSERT INTO s55c VALUES (4, 4)")?;
    ensure!(error.code == 1792, "{error}");
    let told = session.rows("SHOW WARNINGS")?;
    ensure!(told.len() == 1 && told[0][1].as_deref() == Some("1792"), "{told:?}");
    session.run("COMMIT").map(drop)
}

/// Not even for an account that may write on a read-only server: the replica would no longer be a copy of the primary.
fn s55_never(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s55d (id INT PRIMARY KEY AUTO_INCREMENT)",
        "CREATE OR REPLACE PROCEDURE p55() BEGIN COMMIT; INSERT INTO s55d VALUES (NULL); END",
        "CREATE OR REPLACE FUNCTION f55() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO s55d VALUES (NULL); RETURN 7; END",
        "CREATE OR REPLACE SQL SECURITY INVOKER VIEW v55 AS SELECT f55() AS x",
    ])?;
    let mut session = Session::open(&world.as_admin(world.through()?)?)?;
    session.run("USE compat")?;
    let count = "SELECT COUNT(*) FROM s55d";
    for end in ["COMMIT", "SET SESSION TRANSACTION READ WRITE"] {
        session.run("START TRANSACTION READ ONLY")?;
        session.run(end)?;
        session.run("START TRANSACTION READ ONLY")?;
        let error = session.refused("CALL p55()")?;
        ensure!(error.code == 1792, "{end}: {error}");
        session.run("ROLLBACK")?;
    }
    ensure!(session.value(count)? == "0");
    // What looks like a read is carried out where it may write.
    ensure!(session.value("SELECT x FROM v55")? == "7");
    world.applied(&world.direct()?.value("SELECT @@gtid_binlog_pos")?)?;
    for node in world.info()?.mariadb {
        let rows = world.on_server(&node.id, "SELECT COUNT(*) FROM compat.s55d")?;
        ensure!(rows.trim() == "1", "{rows} rows on {}", node.id);
    }
    // What a session says of itself holds where it may write, and not on replicas.
    session.run("SET SESSION TRANSACTION READ ONLY")?;
    let error = session.refused("INSERT INTO s55d VALUES (NULL)")?;
    ensure!(error.code == 1792, "{error}");
    session.run("SET SESSION TRANSACTION READ WRITE")?;
    ensure!(session.value(count)? == "1");
    session.run("INSERT INTO s55d VALUES (NULL)")?;
    ensure!(session.value("SELECT @@tx_read_only")? == "0");
    Ok(())
}

fn s55_once(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s55b (id INT PRIMARY KEY)",
        "INSERT INTO s55b VALUES (1), (2), (3)",
    ])?;
    let ids = "SELECT id FROM s55b";
    let mut session = world.session()?;
    // Servers report such a value, and never that it is over.
    for set in [
        "SET STATEMENT sql_select_limit = 1 FOR DO 1",
        "SET STATEMENT sql_select_limit = 1 FOR INSERT INTO s55b VALUES (4)",
        "DO 1; SET STATEMENT sql_select_limit = 1 FOR DELETE FROM s55b WHERE id = 4",
    ] {
        session.run(set)?;
        for _ in 0..3 {
            ensure!(session.rows(ids)?.len() >= 3, "{set}: the limit is left");
        }
    }
    // What is said of the next transaction is for the next one, and not for one after some reads on replicas.
    for between in ["DO 0", "SET @a = 1", "PREPARE once FROM 'SELECT 1'", "SAVEPOINT a"] {
        let mut session = world.session()?;
        session.run("SET TRANSACTION READ ONLY")?;
        session.run(between)?;
        session.rows(ids)?;
        session.run("REPLACE INTO s55b VALUES (5)").context(between)?;
    }
    Ok(())
}

fn s56_writing_selects(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s56 (id INT PRIMARY KEY AUTO_INCREMENT)",
        "INSERT INTO s56 VALUES (1)",
        "CREATE OR REPLACE SEQUENCE q56",
        "CREATE OR REPLACE FUNCTION f56() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO s56 VALUES (NULL); RETURN @@server_id; END",
        "CREATE OR REPLACE VIEW v56 AS SELECT f56() AS server",
    ])?;
    let primary = world.primary_id()?;
    let mut session = world.session()?;
    for sql in [
        "SELECT f56()",
        "SELECT compat.f56()",
        "SELECT server FROM v56",
        "SELECT @@server_id FROM s56 WHERE id = 1 FOR UPDATE",
        "SELECT @@server_id FROM s56 WHERE id = 1 LOCK IN SHARE MODE",
        "SELECT @@server_id, NEXTVAL(q56)",
        "SELECT @@server_id, NEXT VALUE FOR q56",
        "SELECT @@server_id, SETVAL(q56, 1000)",
        "SELECT @@server_id, GET_LOCK('s56', 0)",
        "SELECT @@server_id, RELEASE_LOCK('s56')",
        "WITH w AS (SELECT f56() AS server) SELECT server FROM w",
        "(SELECT f56())",
        "SELECT /* a comment */ f56()",
    ] {
        for _ in 0..3 {
            let server = session.value(sql)?;
            ensure!(server == primary, "{sql}: on {server}");
        }
    }
    session.run("SELECT @@server_id INTO @s56")?;
    ensure!(session.value("SELECT @s56")? == primary, "INTO @v");
    let rows = session.value("SELECT COUNT(*) FROM s56")?;
    ensure!(rows == "19", "{rows} rows after eighteen calls");
    outfile(world, &primary)
}

fn outfile(world: &World, primary: &str) -> Result<()> {
    let mut session = Session::open(&world.as_admin(world.through()?)?)?;
    let path = world.file("s56.txt");
    session.run(&format!("SELECT @@server_id INTO OUTFILE '{}'", path.display()))?;
    let written = std::fs::read_to_string(path)?;
    ensure!(written.trim() == primary, "INTO OUTFILE on {written}");
    Ok(())
}
