//! What a client sees of a failover: nothing, or the truth.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use quorate_chaos::nemesis;
use quorate_chaos::wire::{Arg, End, Session, caps, command};

use crate::Case;
use crate::world::{RECOVERY, World};

pub(super) const CASES: &[Case] = &[
    ("s58_a_lock_is_never_lost_in_silence", s58_lock),
    ("s61_statements_and_variables_survive_a_failover", s61_survive),
    ("s63_a_server_that_dies_amid_a_file", s63_killed),
    ("s66_a_failover_at_every_point_of_a_transaction", s66_points),
    ("s66_commits_in_flight_are_resolved", s66_commits),
    (
        "s67_what_was_read_stays_true_or_the_transaction_fails",
        s67_not_repeatable,
    ),
    ("s68_a_result_that_was_begun_is_not_completed_from_elsewhere", s68_begun),
    ("s69_an_update_in_flight_is_applied_once", s69_increments),
];

fn s58_lock(world: &World) -> Result<()> {
    let mut session = world.session()?;
    ensure!(session.value("SELECT GET_LOCK('s58', 1)")? == "1");
    world.fail_over()?;
    let after = session.query("SELECT IS_USED_LOCK('s58') = CONNECTION_ID()");
    ensure!(
        !after.is_ok_and(|reply| reply.error().is_none()),
        "the lock was lost without a word"
    );
    ensure!(world.session()?.value("SELECT GET_LOCK('s58', 1)")? == "1");
    Ok(())
}

fn s61_survive(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s61f (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s61f VALUES (1, 1)",
    ])?;
    let mut session = world.session()?;
    session.run("SET @kept = 'kept', sql_mode = 'ANSI_QUOTES', time_zone = '+05:00'")?;
    session.run("USE compat")?;
    let ids = (0..50)
        .map(|nth| Ok(session.prepare(&format!("SELECT v + ? + {nth} FROM s61f"))?.id))
        .collect::<Result<Vec<_>>>()?;
    for id in &ids {
        session.execute(*id, &[Arg::Int(1)])?;
    }
    let insert = session.prepare("INSERT INTO s61f VALUES (?, ?)")?.id;
    let mut tracking = world.session()?;
    tracking.run("BEGIN")?;
    tracking.run("SET session_track_system_variables = 'tx_isolation', max_statement_time = 77")?;
    tracking.run("INSERT INTO s61f VALUES (3, 3)")?;
    world.fail_over()?;
    for (nth, id) in ids.iter().enumerate() {
        let reply = session.execute_with(*id, &[Arg::Int(10)], false, false)?;
        ensure!(reply.error().is_none(), "statement {nth}: {:?}", reply.error());
        ensure!(
            reply.sets[0].rows[0][0] == Some((nth + 11).to_string()),
            "{:?}",
            reply.sets
        );
    }
    session.execute(insert, &[Arg::Int(2), Arg::Int(2)])?;
    for (sql, value) in [
        ("SELECT @kept", "kept"),
        ("SELECT @@sql_mode", "ANSI_QUOTES"),
        ("SELECT @@time_zone", "+05:00"),
        ("SELECT DATABASE()", "compat"),
        ("SELECT COUNT(*) FROM s61f", "2"),
    ] {
        ensure!(session.value(sql)? == value, "{sql}");
    }
    tracking.run("COMMIT")?;
    for id in 4..7 {
        let before = tracking.value("SHOW QUORATE TOKEN")?;
        tracking.run(&format!("INSERT INTO s61f VALUES ({id}, {id})"))?;
        ensure!(tracking.value("SHOW QUORATE TOKEN")? != before, "no position was told");
        let rows = tracking.value("SELECT COUNT(*) FROM s61f")?;
        ensure!(rows == id.to_string(), "{rows} rows in the place of {id}");
    }
    ensure!(tracking.value("SELECT @@max_statement_time")? == "77.000000");
    Ok(())
}

fn s63_killed(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s63k (a INT PRIMARY KEY, b VARCHAR(200))"])?;
    world.lab.wait_healthy(RECOVERY)?;
    let epoch = world.lab.status()?.epoch;
    let mut login = world.through()?;
    login.caps |= caps::LOCAL_FILES;
    let mut session = Session::open(&login)?;
    session.send(
        command::QUERY,
        b"LOAD DATA LOCAL INFILE 'none' INTO TABLE s63k FIELDS TERMINATED BY ','",
    )?;
    ensure!(session.packet()?.first() == Some(&0xfb), "no request for a file");
    session.chunk(b"1,one\n2,two\n")?;
    nemesis::kill_server(&world.lab, &world.primary()?)?;
    // Sends may succeed or not; what counts is that the end is an error, and soon.
    let rest = (3..20_000_u32).try_for_each(|row| session.chunk(format!("{row},x\n").as_bytes()));
    let answer = rest.and_then(|()| session.chunk(&[])).and_then(|()| session.packet());
    ensure!(
        !answer.is_ok_and(|packet| packet.first() == Some(&0)),
        "a file was loaded into a dead server"
    );
    world.open_after(epoch)?;
    ensure!(
        world.session()?.value("SELECT COUNT(*) FROM s63k")? == "0",
        "half a file was loaded"
    );
    Ok(())
}

/// A session in a transaction that a failover meets at some point.
struct Point {
    name: &'static str,
    before: &'static [&'static str],
    after: &'static [&'static str],
    /// What the point's row holds if all of it succeeded, and if it did not; none if there is no row.
    kept: (Option<&'static str>, Option<&'static str>),
}

/// What is done before and after the failover. `#` stands for the point's number, so that none meets another's rows; after
/// `!` comes a statement that must fail.
const POINTS: &[Point] = &[
    Point {
        name: "before the first read",
        before: &["BEGIN"],
        after: &["INSERT INTO s66 VALUES (#, 1)", "COMMIT"],
        kept: (Some("1"), None),
    },
    Point {
        name: "before the first write",
        before: &["BEGIN", "SELECT COUNT(*) FROM s66 WHERE id = #"],
        after: &["INSERT INTO s66 VALUES (#, 1)", "COMMIT"],
        kept: (Some("1"), None),
    },
    Point {
        name: "after a write",
        before: &["BEGIN", "INSERT INTO s66 VALUES (#, 1)"],
        after: &["UPDATE s66 SET v = v + 1 WHERE id = #", "COMMIT"],
        kept: (Some("2"), None),
    },
    Point {
        name: "before COMMIT",
        before: &[
            "BEGIN",
            "INSERT INTO s66 VALUES (#, 1)",
            "UPDATE s66 SET v = v + 1 WHERE id = #",
        ],
        after: &["COMMIT"],
        kept: (Some("2"), None),
    },
    Point {
        name: "before ROLLBACK",
        before: &["BEGIN", "INSERT INTO s66 VALUES (#, 1)"],
        after: &["ROLLBACK"],
        kept: (None, None),
    },
    Point {
        name: "without autocommit",
        before: &["SET autocommit = 0", "INSERT INTO s66 VALUES (#, 1)"],
        after: &["UPDATE s66 SET v = 2 WHERE id = #", "COMMIT"],
        kept: (Some("2"), None),
    },
    Point {
        name: "after a savepoint",
        before: &["BEGIN", "SAVEPOINT a", "INSERT INTO s66 VALUES (#, 1)"],
        after: &["ROLLBACK TO a", "COMMIT"],
        kept: (None, None),
    },
    Point {
        name: "after an implicit commit",
        before: &[
            "BEGIN",
            "INSERT INTO s66 VALUES (#, 1)",
            "CREATE TABLE IF NOT EXISTS s66i (id INT)",
        ],
        after: &["UPDATE s66 SET v = 2 WHERE id = #", "COMMIT"],
        kept: (Some("2"), Some("1")),
    },
    // A definition commits what was before it also if it fails then, which no flag of its reply says: a replay would add
    // once more.
    Point {
        name: "after a definition that failed",
        before: &[
            "INSERT INTO s66 VALUES (#, 1)",
            "BEGIN",
            "UPDATE s66 SET v = v + 1 WHERE id = #",
            "!CREATE TABLE s66 (id INT)",
        ],
        after: &["COMMIT"],
        kept: (Some("2"), Some("2")),
    },
    Point {
        name: "between transactions",
        before: &["BEGIN", "INSERT INTO s66 VALUES (#, 1)", "COMMIT AND CHAIN"],
        after: &["UPDATE s66 SET v = 2 WHERE id = #", "COMMIT"],
        kept: (Some("2"), Some("1")),
    },
];

fn s66_points(world: &World) -> Result<()> {
    world.make(&[
        "DROP TABLE IF EXISTS s66i",
        "CREATE OR REPLACE TABLE s66 (id INT PRIMARY KEY, v INT)",
    ])?;
    let mut sessions = Vec::new();
    for (id, point) in POINTS.iter().enumerate() {
        let mut session = world.session()?;
        for sql in point.before {
            let sql = sql.replace('#', &id.to_string());
            match sql.strip_prefix('!') {
                Some(sql) => drop(session.refused(sql)?),
                None => drop(session.run(&sql)?),
            }
        }
        sessions.push(session);
    }
    world.fail_over()?;
    for ((id, point), session) in POINTS.iter().enumerate().zip(&mut sessions) {
        let mut statements = point.after.iter().map(|sql| sql.replace('#', &id.to_string()));
        let ended = statements.try_for_each(|sql| session.run(&sql).map(drop));
        // The whole of it, or what was committed before the failover: never a part, and nothing twice.
        let found = world.direct()?.rows(&format!("SELECT v FROM s66 WHERE id = {id}"))?;
        let found = found.first().and_then(|row| row[0].clone());
        let (done, failed) = point.kept;
        let wanted = if ended.is_ok() { done } else { failed };
        ensure!(found.as_deref() == wanted, "{}: {found:?} after {ended:?}", point.name);
    }
    Ok(())
}

/// What a client was told of its increments.
#[derive(Debug, Default)]
struct Told {
    done: u64,
    unknown: u64,
    errors: Vec<String>,
}

/// Eight clients that count while the primary is killed twice; every count must be what its client was told.
fn count(world: &World, table: &str, increment: fn(&mut Session, &str, u64) -> Result<()>) -> Result<()> {
    const CLIENTS: u64 = 8;
    world.make(&[
        &format!("CREATE OR REPLACE TABLE {table} (id INT PRIMARY KEY, n BIGINT)"),
        &format!("INSERT INTO {table} SELECT seq, 0 FROM seq_1_to_{CLIENTS}"),
    ])?;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let login = world.through()?;
    let told = thread::scope(|scope| {
        let threads: Vec<_> = (1..=CLIENTS)
            .map(|id| {
                let (login, stop) = (&login, &stop);
                scope.spawn(move || {
                    let mut told = Told::default();
                    let mut session = None;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let Some(open) = &mut session else {
                            session = Session::open(login).ok();
                            continue;
                        };
                        match increment(open, table, id) {
                            Ok(()) => told.done += 1,
                            Err(error) => {
                                told.unknown += 1;
                                told.errors.push(format!("{error:#}"));
                                session = None;
                            }
                        }
                    }
                    told
                })
            })
            .collect();
        let killed = (0..2).try_for_each(|_| {
            thread::sleep(Duration::from_millis(500));
            world.fail_over()
        });
        thread::sleep(Duration::from_millis(500));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let told: Vec<Told> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
        killed.map(|()| told)
    })?;
    let mut direct = world.direct()?;
    let counts = direct.rows(&format!("SELECT n FROM {table} ORDER BY id"))?;
    for (row, told) in counts.iter().zip(&told) {
        let n: u64 = row[0].as_deref().unwrap_or_default().parse()?;
        ensure!(n >= told.done, "{n} is too few: {told:?}");
        ensure!(n <= told.done + told.unknown, "{n} is too many: {told:?}");
    }
    let errors: Vec<&String> = told.iter().flat_map(|told| &told.errors).collect();
    ensure!(errors.is_empty(), "{} clients saw errors: {errors:?}", errors.len());
    Ok(())
}

fn s66_commits(world: &World) -> Result<()> {
    count(world, "s66c", |session, table, id| {
        session.run("BEGIN")?;
        session.run(&format!("UPDATE {table} SET n = n + 1 WHERE id = {id}"))?;
        session.run("COMMIT").map(drop)
    })
}

fn s69_increments(world: &World) -> Result<()> {
    count(world, "s69", |session, table, id| {
        session
            .run(&format!("UPDATE {table} SET n = n + 1 WHERE id = {id}"))
            .map(drop)
    })
}

fn s67_not_repeatable(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s67 (id INT PRIMARY KEY, v VARCHAR(64))"])?;
    let sources = [
        "NOW(6)",
        "RAND()",
        "UUID()",
        "@@server_id",
        "CONNECTION_ID()",
        "@@hostname",
        "SYSDATE(6)",
        "LAST_INSERT_ID()",
    ];
    let mut sessions = Vec::new();
    for (id, source) in sources.iter().enumerate() {
        let mut session = world.session()?;
        session.run("BEGIN")?;
        session.run(&format!("INSERT INTO s67 VALUES ({id}, {source})"))?;
        let seen = session.value(&format!("SELECT v FROM s67 WHERE id = {id}"))?;
        sessions.push((id, source, session, seen));
    }
    world.fail_over()?;
    for (id, source, mut session, seen) in sessions {
        let Ok(now) = session.value(&format!("SELECT v FROM s67 WHERE id = {id}")) else {
            continue;
        };
        ensure!(now == seen, "{source}: {now} in the place of {seen}");
        if session.run("COMMIT").is_ok() {
            let kept = world.direct()?.value(&format!("SELECT v FROM s67 WHERE id = {id}"))?;
            ensure!(kept == seen, "{source}: {kept} was committed where {seen} was seen");
        }
    }
    Ok(())
}

fn s68_begun(world: &World) -> Result<()> {
    world.lab.wait_healthy(RECOVERY)?;
    let epoch = world.lab.status()?.epoch;
    let mut session = world.session()?;
    session.run("BEGIN")?;
    session.send(
        command::QUERY,
        b"SELECT seq, REPEAT('x', 2000), SLEEP(0.001) FROM seq_1_to_20000",
    )?;
    for _ in 0..100 {
        session.packet()?;
    }
    nemesis::kill_server(&world.lab, &world.primary()?)?;
    let end = loop {
        match session.packet() {
            Ok(packet) if packet.first() == Some(&0xff) => break "an error packet",
            Ok(packet) if packet.first() == Some(&0xfe) => break "success",
            Ok(_) => {}
            Err(_) => break "a broken connection",
        }
    };
    ensure!(end != "success", "a dead server's result was completed");
    world.open_after(epoch)?;
    // A session that is still there is in order.
    if let Ok(reply) = session.query("SELECT 1") {
        let rows = reply.sets.first().map(|set| (&set.rows, &set.end));
        let fine = rows.is_some_and(|(rows, end)| *rows == [[Some("1".to_owned())]] || matches!(end, End::Failed(_)));
        ensure!(fine, "{reply:?}");
    }
    Ok(())
}
