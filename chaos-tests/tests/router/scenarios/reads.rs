//! Reads see what their session wrote, wherever they go.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::{Arg, Session, caps, command};

use crate::Case;
use crate::sidecar::Sidecar;
use crate::world::{Helper, World};

pub(super) const CASES: &[Case] = &[
    ("s50_read_your_writes", s50_read_your_writes),
    ("s50_every_kind_of_write_is_read", s50_kinds),
    (
        "s51_a_read_that_no_replica_can_serve_in_time_is_served_by_the_primary",
        s51_time_out,
    ),
    ("s52_a_token_travels_and_one_of_another_epoch_does_no_harm", s52_tokens),
    (
        "s59_last_insert_id_and_the_like_come_from_the_right_server",
        s59_about_the_last_statement,
    ),
    ("s52_what_a_client_was_told_is_known_to_all_sessions_at_once", s52_told),
    ("s59_what_a_statement_left_is_asked_for_where_it_ran", s59_elsewhere),
    (
        "reads_that_the_primary_never_takes_wait_for_a_replica",
        never_on_the_primary,
    ),
];

/// Writes that are read back at once, over all sessions.
const LOOPS: usize = 10_000;
const SESSIONS: usize = 4;
/// Writes in bulk that are read back at once.
const BULKS: usize = 100;

/// Reads back each of its writes; the servers that answered.
fn write_and_read(session: &mut Session, row: usize) -> Result<BTreeSet<String>> {
    let mut servers = BTreeSet::new();
    for turn in 0..LOOPS / SESSIONS {
        session.run(&format!("UPDATE s50 SET v = {turn} WHERE id = {row}"))?;
        let rows = session.rows(&format!("SELECT v, @@server_id FROM s50 WHERE id = {row}"))?;
        let [Some(value), Some(server)] = &rows[0][..] else {
            anyhow::bail!("no row {row}");
        };
        ensure!(*value == turn.to_string(), "stale on {server}: {value} after {turn}");
        servers.insert(server.clone());
    }
    Ok(servers)
}

fn s50_read_your_writes(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s50 (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s50 VALUES (0, 0), (1, 0), (2, 0), (3, 0)",
    ])?;
    let servers = thread::scope(|scope| {
        let threads: Vec<_> = (0..SESSIONS)
            .map(|row| scope.spawn(move || write_and_read(&mut world.session()?, row)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a reader panicked")))
            .collect::<Result<Vec<_>>>()
    })?;
    let primary = world.primary_id()?;
    let servers: BTreeSet<String> = servers.into_iter().flatten().collect();
    ensure!(
        servers.iter().any(|server| *server != primary),
        "no read left the primary: {servers:?}"
    );
    Ok(())
}

/// Where the session is, after a read of its own that must see `rows` rows.
fn position(session: &mut Session, rows: usize) -> Result<String> {
    let seen = session.value("SELECT COUNT(*) FROM s50k")?;
    ensure!(seen == rows.to_string(), "{seen} rows in the place of {rows}");
    session.value("SHOW QUORATE TOKEN")
}

/// Servers tell the position of a write in different places of their replies, and of one in bulk nowhere.
fn s50_kinds(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s50k (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
        "CREATE OR REPLACE PROCEDURE s50p() BEGIN INSERT INTO s50k (v) VALUES (0); SELECT 1; END",
    ])?;
    let mut login = world.through()?;
    login.caps |= caps::LOCAL_FILES | caps::BULK;
    let mut session = Session::open(&login)?;
    let mut last = String::new();
    let mut rows = 0;
    for sql in [
        "INSERT INTO s50k (v) VALUES (1)",
        "INSERT INTO s50k (v) VALUES (1) RETURNING id, v",
        "INSERT INTO s50k (v) SELECT 1 FROM DUAL",
        "REPLACE INTO s50k (v) VALUES (1)",
        "LOAD DATA LOCAL INFILE 'none' INTO TABLE s50k (v)",
        "CALL s50p()",
        "BEGIN NOT ATOMIC INSERT INTO s50k (v) VALUES (1); SELECT 1; END",
        "SELECT 1; INSERT INTO s50k (v) VALUES (1)",
        "INSERT INTO s50k (v) VALUES (1); SELECT 1",
        "EXECUTE IMMEDIATE 'INSERT INTO s50k (v) VALUES (1)'",
        "BEGIN; INSERT INTO s50k (v) VALUES (1); COMMIT",
        "SET autocommit = 0; INSERT INTO s50k (v) VALUES (1); SET autocommit = 1",
        "XA START 's50'; INSERT INTO s50k (v) VALUES (1); XA END 's50'; XA COMMIT 's50' ONE PHASE",
    ] {
        session.files = vec![b"1\n".to_vec()];
        session.run(sql)?;
        rows += 1;
        let now = position(&mut session, rows).with_context(|| sql.to_owned())?;
        ensure!(now != last, "{sql}: no position was told");
        last = now;
    }
    let insert = session.prepare("INSERT INTO s50k (v) VALUES (?)")?.id;
    for _ in 0..BULKS {
        let reply = session.bulk(insert, &[vec![Arg::Int(1)], vec![Arg::Int(2)]])?;
        ensure!(reply.error().is_none(), "{:?}", reply.error());
        rows += 2;
        let now = position(&mut session, rows).context("in bulk")?;
        ensure!(now != last, "in bulk: no position was told");
        last = now;
    }
    Ok(())
}

/// Keeps a replica from applying anything, while it goes on receiving and acknowledging.
fn hold_back(world: &World, node: &str) -> Result<Helper> {
    // The lock lives as long as the client, and the client as long as it may still be told something.
    let mut client = world.client(node)?;
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let stdin = child.stdin.as_mut().context("no standard input")?;
    stdin.write_all(b"FLUSH TABLES WITH READ LOCK; SELECT 'held';\n")?;
    let stdout = child.stdout.as_mut().context("no standard output")?;
    let held = stdout.read_exact(&mut [0; 4]);
    let helper = Helper(child);
    held.with_context(|| format!("holding {node} back"))?;
    Ok(helper)
}

fn hold_all_back(world: &World) -> Result<Vec<Helper>> {
    world.replicas()?.iter().map(|node| hold_back(world, node)).collect()
}

fn s51_time_out(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s51 (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s51 VALUES (1, 0)",
    ])?;
    let mut session = world.session()?;
    session.run("UPDATE s51 SET v = 1")?;
    ensure!(session.value("SELECT v FROM s51")? == "1");
    let id = session.value("SELECT CONNECTION_ID()")?;
    let held = hold_all_back(world)?;
    let primary = world.primary_id()?;
    for turn in 2..5 {
        session.run(&format!("UPDATE s51 SET v = {turn}"))?;
        let rows = session.rows("SELECT v, @@server_id FROM s51")?;
        ensure!(rows == [[Some(turn.to_string()), Some(primary.clone())]], "{rows:?}");
    }
    drop(held);
    ensure!(
        session.value("SELECT CONNECTION_ID()")? == id,
        "the connection was replaced"
    );
    Ok(())
}

fn never_on_the_primary(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s51n (id INT PRIMARY KEY)"])?;
    let mut session = Session::open(&World::login(&world.router("r2")?.rw))?;
    let primary = world.primary_id()?;
    let here = "SELECT @@server_id";
    ensure!(session.value(here)? != primary, "no replica is fit to begin with");
    // Behind, and more so with every reading.
    let held = hold_all_back(world)?;
    world.session()?.run("INSERT INTO s51n VALUES (1)")?;
    let nobody = [
        ("max_lag_ms: 1000", "max_lag_ms: 500"),
        ("primary: fallback", "primary: never"),
        ("hold_wait_ms: 10000", "hold_wait_ms: 3000"),
    ];
    let before = world.reconfigure("r2", &nobody)?;
    let checked = held_back_from_the_primary(&mut session, &primary);
    let waiting = thread::spawn(move || session.value(here));
    // Before the settings are back: with those the primary would take it.
    drop(held);
    let answered = waiting.join();
    world.restore("r2", &before)?;
    checked?;
    let answered = answered.map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    ensure!(answered != primary, "a read that waited was answered by the primary");
    Ok(())
}

/// With `reads.primary: never` and no fit replica.
fn held_back_from_the_primary(session: &mut Session, primary: &str) -> Result<()> {
    let here = "SELECT @@server_id";
    let mut last = String::new();
    for _ in 0..1000 {
        match session.query(here)?.error() {
            Some(error) => {
                last = error.text.clone();
                ensure!(
                    error.code == 1053 && last.contains("`reads.primary` is `never`"),
                    "{error:?}"
                );
                break;
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
    ensure!(!last.is_empty(), "the primary answers");
    let route = session.rows(&format!("EXPLAIN ROUTE {here}"))?;
    let target = route.iter().find(|row| row[0].as_deref() == Some("target"));
    ensure!(
        target.is_some_and(|row| row[1].as_deref().is_some_and(|target| target.contains("held"))),
        "{route:?}"
    );
    let hinted = session.value("SELECT /* quorate route to primary */ @@server_id")?;
    ensure!(hinted == primary, "a hint leads to {hinted}");
    for begin in ["BEGIN", "START TRANSACTION READ ONLY"] {
        session.run(begin)?;
        ensure!(session.value(here)? == primary, "{begin}: not on the primary");
        session.run("COMMIT")?;
    }
    Ok(())
}

fn s52_tokens(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s52 (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s52 VALUES (1, 0)",
    ])?;
    let mut writer = world.session()?;
    let mut reader = Session::open(&World::login(&world.router("r2")?.rw))?;
    for turn in 1..200 {
        writer.run(&format!("UPDATE s52 SET v = {turn}"))?;
        let token = writer.value("SHOW QUORATE TOKEN")?;
        reader.run(&format!("SET @quorate_token = '{token}'"))?;
        let seen = reader.value("SELECT v FROM s52")?;
        ensure!(seen == turn.to_string(), "{seen} after {turn} with token {token}");
    }
    for token in ["0-1-999000000000000001", "0-1-1"] {
        reader.run(&format!("SET @quorate_token = '{token}'"))?;
        ensure!(reader.value("SELECT v FROM s52")? == "199", "with token {token}");
    }
    Ok(())
}

/// Waits until `EXPLAIN ROUTE` of a read says `what` of an item.
fn wait_for_route(session: &mut Session, item: &str, what: &str) -> Result<()> {
    let mut found = None;
    for _ in 0..1000 {
        let rows = session.rows("EXPLAIN ROUTE SELECT 1")?;
        let row = rows.into_iter().find(|row| row[0].as_deref() == Some(item));
        found = row.and_then(|mut row| row.swap_remove(1));
        if found.as_ref().is_some_and(|found| found.contains(what)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("{item} is never {what}: {found:?}")
}

/// Of a long reply the client has the beginning, which says that a row is committed.
fn s52_told(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s52t (id INT PRIMARY KEY)"])?;
    // It learns of the row from the writer's reply, or not for long.
    let router = Sidecar::start(world, "slow-monitor", |config| config.reads.monitor_ms = 2000)?;
    let session = || Session::open(&World::login(&router.rw));
    let mut reader = session()?;
    reader.run("SET @quorate_causal_reads = 'global'")?;
    for node in world.replicas()? {
        wait_for_route(&mut reader, &format!("replica {node}"), "is fit")?;
    }
    let (mut writer, held) = (session()?, hold_all_back(world)?);
    // More than the buffers between them have room for.
    let sql = b"INSERT INTO s52t VALUES (1); SELECT REPEAT('x', 1000000) FROM seq_1_to_64";
    writer.send(command::QUERY, sql)?;
    let told = writer.packet()?;
    ensure!(told.first() == Some(&0), "{told:?}");
    // However far behind the replicas are said to be, they are asked first.
    let seen = reader.value("SELECT /* quorate max_lag_ms=60000 */ COUNT(*) FROM s52t")?;
    ensure!(seen == "1", "{seen} rows in the place of one");
    drop(held);
    Ok(())
}

fn s59_about_the_last_statement(world: &World) -> Result<()> {
    let make = ["CREATE OR REPLACE TABLE s59 (id INT PRIMARY KEY AUTO_INCREMENT, v TINYINT)"];
    let statements = [
        "INSERT INTO s59 (v) VALUES (1), (2), (3)",
        "SELECT v FROM s59 WHERE id = 2",
        "SELECT SQL_CALC_FOUND_ROWS v FROM s59 WHERE v < 3 ORDER BY id LIMIT 1",
        "SELECT FOUND_ROWS()",
        "INSERT IGNORE INTO s59 (v) VALUES (1000)",
        "SHOW WARNINGS",
        "SELECT CAST('abc' AS INT)",
        "SHOW WARNINGS",
        "SHOW COUNT(*) WARNINGS",
        "SELECT CAST('abc' AS INT)",
        "SELECT @@warning_count",
        "SELECT nothing FROM s59",
        "SHOW ERRORS",
        "SELECT nothing FROM s59",
        "SELECT @@error_count",
        "UPDATE s59 SET v = 9 WHERE v < 3",
        "SELECT ROW_COUNT()",
        "SELECT ROW_COUNT()",
        "UPDATE s59 SET v = 9 WHERE v = 9",
        "SELECT v FROM s59 WHERE v = 3 LIMIT 1",
        "SELECT FOUND_ROWS(), ROW_COUNT()",
        "SELECT 1 FROM s59 WHERE v = '3x' ORDER BY id LIMIT 1",
        "SHOW WARNINGS LIMIT 1",
        "SELECT LAST_INSERT_ID(77)",
        "SELECT LAST_INSERT_ID()",
        "DELETE FROM s59 WHERE v = 3 LIMIT 1",
        "SELECT ROW_COUNT(), @@warning_count",
        "SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity",
        "INSERT INTO s59 (v) VALUES (7), (8)",
        "SELECT LAST_INSERT_ID(), ROW_COUNT()",
        "SELECT v FROM s59 WHERE v > 6 ORDER BY id",
        "SELECT LAST_INSERT_ID(), ROW_COUNT(), @@warning_count",
    ];
    for capabilities in [0, caps::DEPRECATE_EOF, caps::DEPRECATE_EOF | caps::FOUND_ROWS] {
        world.same(capabilities, &make, &statements)?;
    }
    Ok(())
}

/// Asks for what a read has left on its server, which no other read would be given now.
fn s59_elsewhere(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s59e (id INT PRIMARY KEY, v VARCHAR(10))",
        "INSERT INTO s59e VALUES (1, 'x'), (2, '2'), (3, '3')",
    ])?;
    let (mut session, mut writer) = (world.session()?, world.session()?);
    session.run("SET @quorate_causal_reads = 'global'")?;
    let node = world.replicas()?.swap_remove(0);
    let id = world.on_server(&node, "SELECT @@server_id")?;
    let held = hold_back(world, &node)?;
    writer.run("INSERT INTO s59e VALUES (4, '4')")?;
    let finding = format!("replica {node}");
    wait_for_route(&mut session, &finding, "is not read")?;
    // It is read because the statement says so; what asks for the rest of it says nothing.
    let hint = format!("/* quorate route to node {node} causal=none */");
    let read = session.prepare(&format!(
        "SELECT {hint} SQL_CALC_FOUND_ROWS id FROM s59e WHERE v >= ? LIMIT 1"
    ))?;
    for _ in 0..3 {
        session.execute(read.id, &[Arg::Double(1.5)])?;
        ensure!(session.value("SELECT /* quorate route to last causal=none */ @@server_id")? == id.trim());
        session.execute(read.id, &[Arg::Double(1.5)])?;
        for _ in 0..2 {
            let warnings = session.rows("SHOW WARNINGS")?;
            let codes: Vec<_> = warnings.iter().map(|row| row[1].as_deref()).collect();
            ensure!(codes == [Some("1292")], "{warnings:?}");
        }
        ensure!(session.value("SHOW COUNT(*) WARNINGS")? == "1");
        session.execute(read.id, &[Arg::Double(1.5)])?;
        ensure!(session.value("SELECT FOUND_ROWS()")? == "2");
        let route = session.rows("EXPLAIN ROUTE SHOW WARNINGS")?;
        let target = [Some("target".to_owned()), Some(finding.clone())];
        ensure!(route.iter().any(|row| *row == target), "{route:?}");
    }
    drop(held);
    Ok(())
}
