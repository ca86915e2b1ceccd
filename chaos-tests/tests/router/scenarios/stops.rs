//! KILL in all its forms.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use quorate_api::clock::Clock;
use quorate_chaos::wire::{Arg, ServerError, Session, command};

use crate::Case;
use crate::world::{RECOVERY, USER, World};

pub(super) const CASES: &[Case] = &[
    ("s65_kill_reaches_the_right_session", s65_kill),
    ("s65_kill_of_an_expression_means_what_it_gives", s65_expressions),
    ("s65_kill_of_what_does_not_exist_or_belongs_to_others", s65_refused),
    ("s65_kill_of_who_waits_for_a_connection", s65_while_waiting),
];

/// Between two looks at a level.
const LOOK: Duration = Duration::from_millis(10);

/// How a session that runs `SLEEP` ends when `stop` is called with its id.
fn interrupted(
    world: &World,
    stop: impl FnOnce(&mut Session, u32) -> Result<()>,
) -> Result<(Session, Result<ServerError>)> {
    let (mut victim, mut killer) = (world.session()?, world.session()?);
    let id = victim.id;
    ensure!(
        victim.value("SELECT CONNECTION_ID()")? == id.to_string(),
        "the greeting's id is another"
    );
    victim.send(
        command::QUERY,
        b"SELECT SLEEP(50) FROM (SELECT 1 UNION SELECT 2) t WHERE RAND() < 2",
    )?;
    // Wait until it sleeps, on whichever server.
    let asleep = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{USER}' AND info LIKE '%SLEEP(50)%'"
    );
    let nodes: Vec<_> = world.info()?.mariadb.into_iter().map(|node| node.id).collect();
    // A server that is just coming back after another test has nobody who sleeps.
    let sleeps = || {
        nodes
            .iter()
            .any(|node| world.on_server(node, &asleep).is_ok_and(|count| count.trim() == "1"))
    };
    let begun = Clock.now();
    while !sleeps() {
        ensure!(Clock.now().since(begun) < RECOVERY, "the victim does not sleep");
        thread::sleep(Duration::from_millis(10));
    }
    stop(&mut killer, id)?;
    let ended = victim
        .reply()
        .and_then(|reply| reply.error().cloned().context("the statement succeeded"));
    Ok((victim, ended))
}

fn s65_kill(world: &World) -> Result<()> {
    let (mut victim, ended) = interrupted(world, |killer, id| killer.run(&format!("KILL QUERY {id}")).map(drop))?;
    let error = ended?;
    ensure!(error.code == 1317, "KILL QUERY: {error}");
    ensure!(victim.value("SELECT 1")? == "1", "the session ended with its query");

    for kill in ["KILL", "KILL CONNECTION", "KILL HARD CONNECTION"] {
        let (mut victim, ended) = interrupted(world, |killer, id| killer.run(&format!("{kill} {id}")).map(drop))?;
        ensure!(
            ended.is_err() || ended.is_ok_and(|error| error.code == 1927 || error.code == 1317),
            "{kill}"
        );
        ensure!(victim.value("SELECT 1").is_err(), "{kill}: the session lives");
    }
    let (mut victim, _) = interrupted(world, |killer, id| {
        let reply = killer.ask(command::PROCESS_KILL, &id.to_le_bytes())?;
        ensure!(reply.error().is_none(), "COM_PROCESS_KILL: {:?}", reply.error());
        Ok(())
    })?;
    ensure!(victim.value("SELECT 1").is_err(), "COM_PROCESS_KILL: the session lives");
    let (mut victim, ended) = interrupted(world, |killer, id| {
        let kill = killer.prepare("KILL QUERY ?")?.id;
        let reply = killer.execute(kill, &[Arg::Int(i64::from(id))])?;
        ensure!(reply.error().is_none(), "prepared: {:?}", reply.error());
        Ok(())
    })?;
    let error = ended?;
    ensure!(error.code == 1317, "a prepared KILL QUERY: {error}");
    ensure!(
        victim.value("SELECT 1")? == "1",
        "prepared: the session ended with its query"
    );

    let mut own = world.session()?;
    let error = own.refused("KILL QUERY CONNECTION_ID()")?;
    ensure!(error.code == 1317, "KILL QUERY of itself: {error}");
    ensure!(
        own.query("KILL CONNECTION_ID()").is_err() || own.query("SELECT 1").is_err(),
        "it survived itself"
    );
    Ok(())
}

fn s65_expressions(world: &World) -> Result<()> {
    for kill in [
        "KILL QUERY @victim",
        "KILL QUERY IF(@victim > 0, @victim, CONNECTION_ID())",
    ] {
        let (mut victim, ended) = interrupted(world, |killer, id| {
            killer.run(&format!("SET @victim = {id}"))?;
            killer.run(kill).map(drop)
        })?;
        let error = ended.with_context(|| kill.to_owned())?;
        ensure!(error.code == 1317, "{kill}: {error}");
        ensure!(
            victim.value("SELECT 1")? == "1",
            "{kill}: the session ended with its query"
        );
    }
    // As servers say it, in a transaction too.
    let mut replies = Vec::new();
    for login in [world.around()?, world.through()?] {
        let mut session = Session::open(&login)?;
        let mut all = Vec::new();
        session.run("BEGIN")?;
        for sql in [
            "KILL 4000000000 - 1",
            "KILL NULL",
            "KILL @nobody",
            "KILL QUERY CONNECTION_ID() - 0",
        ] {
            all.push((sql, session.query(sql)?.sets));
        }
        replies.push(all);
    }
    for (around, through) in replies[0].iter().zip(&replies[1]) {
        ensure!(around == through, "{around:?} and {through:?}");
    }
    let error = world
        .session()?
        .refused("KILL (SELECT MAX(id) FROM information_schema.processlist)")?;
    ensure!(error.code == 1235, "{error}");
    Ok(())
}

fn s65_refused(world: &World) -> Result<()> {
    let mut replies = Vec::new();
    let mut owner = Session::open(&world.as_admin(world.through()?)?)?;
    for login in [world.around()?, world.through()?] {
        let mut session = Session::open(&login)?;
        let mut all = Vec::new();
        for sql in [
            "KILL 4000000000",
            "KILL QUERY 4000000000",
            "KILL 'x'",
            "KILL QUERY '4000000000'",
            "KILL",
        ] {
            all.push(session.query(sql)?.sets);
        }
        let kill = session.prepare("KILL ?")?.id;
        let typed = [
            Arg::Int(4_000_000_000),
            Arg::from("4000000000"),
            Arg::from("x"),
            Arg::Double(3_999_999_999.7),
            Arg::Null,
        ];
        for arg in typed {
            all.push(session.execute_with(kill, &[arg], false, true)?.sets);
        }
        // A shorter body makes the server read on behind it; the router refuses that one.
        all.push(session.ask(command::PROCESS_KILL, &[0, 40, 107, 238])?.sets);
        replies.push(all);
    }
    for (around, through) in replies[0].iter().zip(&replies[1]) {
        ensure!(around == through, "{around:?} and {through:?}");
    }
    let mut session = world.session()?;
    let kill = session.prepare("KILL ? + 1")?.id;
    let reply = session.execute_with(kill, &[Arg::Int(1)], false, true)?;
    let error = reply.error().context("a server's thread was named")?;
    ensure!(error.code == 1235, "{error}");
    // Of another user: only with the right to.
    let mut session = world.session()?;
    let error = session.refused(&format!("KILL {}", owner.id))?;
    ensure!(error.code == 1095 || error.code == 1094, "{error}");
    ensure!(owner.value("SELECT 1")? == "1", "it was killed all the same");
    owner.run(&format!("KILL {}", session.id))?;
    ensure!(session.value("SELECT 1").is_err(), "the session lives");
    Ok(())
}

/// Waits for a level that some session can see.
fn until(what: &str, mut seen: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..RECOVERY.as_millis() / LOOK.as_millis() {
        if seen()? {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    bail!("{what}: not within {RECOVERY:?}")
}

fn s65_while_waiting(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s65w (id INT PRIMARY KEY)"])?;
    // One connection for everybody, and nobody is sent away.
    let before = world.reconfigure(
        "r2",
        &[
            ("max_backends: 512", "max_backends: 1"),
            ("  wait_ms: 10000", "  wait_ms: 90000"),
            ("hold_wait_ms: 10000", "hold_wait_ms: 90000"),
        ],
    )?;
    let seen = killed_while_waiting(world);
    world.restore("r2", &before)?;
    seen?;
    let found = world.direct()?.rows("SELECT id FROM s65w")?;
    ensure!(
        found == [[Some("1".to_owned())]],
        "killed statements were carried out: {found:?}"
    );
    Ok(())
}

fn killed_while_waiting(world: &World) -> Result<()> {
    let login = World::login(&world.router("r2")?.rw);
    let (mut holder, mut victim, mut killer) = (Session::open(&login)?, Session::open(&login)?, Session::open(&login)?);
    holder.run("BEGIN")?;
    holder.run("INSERT INTO s65w VALUES (1)")?;
    for (kill, code) in [("KILL QUERY", 1317), ("KILL", 1927)] {
        victim.send(command::QUERY, b"INSERT INTO s65w VALUES (2)")?;
        until("the victim waits for a connection", || {
            let rows = killer.rows("SHOW QUORATE STATUS")?;
            let waiting = rows.iter().find(|row| row[0].as_deref() == Some("waiting_for_backend"));
            Ok(waiting.is_some_and(|row| row[1].as_deref() != Some("0")))
        })?;
        killer.run(&format!("{kill} {}", victim.id))?;
        let reply = victim.reply().with_context(|| kill.to_owned())?;
        let error = reply.error().with_context(|| format!("{kill}: it was carried out"))?;
        ensure!(error.code == code, "{kill}: {error}");
    }
    ensure!(victim.query("SELECT 1").is_err(), "the victim lives");
    holder.run("COMMIT").map(drop)
}
