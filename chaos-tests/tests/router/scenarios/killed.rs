//! KILL between two primaries: while a session waits for the next one, and while its transaction is done again there.

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::nemesis;
use quorate_chaos::wire::{Session, command};

use super::between::{closed, has_reply, holding, seen, status, until};
use crate::Case;
use crate::world::World;

pub(super) const CASES: &[Case] = &[
    (
        "s65_a_session_that_is_killed_during_a_failover_is_never_replayed",
        s65_held,
    ),
    ("s65_kill_breaks_off_a_replay", s65_replayed),
];

/// The error that a session's command ends with that was sent before.
fn told(session: &mut Session, kill: &str, code: u16) -> Result<()> {
    let reply = session.reply().with_context(|| kill.to_owned())?;
    let error = reply.error().with_context(|| format!("{kill}: it was carried out"))?;
    ensure!(error.code == code, "{kill}: {error}");
    Ok(())
}

fn s65_held(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s65 (id INT PRIMARY KEY)"])?;
    let (former, epoch) = (world.primary()?, world.lab.status()?.epoch);
    let mut killer = world.session()?;
    let mut victims = [world.session()?, world.session()?];
    for (id, victim) in victims.iter_mut().enumerate() {
        victim.run("BEGIN")?;
        victim.run(&format!("INSERT INTO s65 VALUES ({id})"))?;
    }
    let closed = closed(world, &world.replicas()?)?;
    nemesis::kill_server(&world.lab, &former)?;
    until("the end of an epoch", || {
        Ok((status(&mut killer, "primary")? == "none is open").then_some(()))
    })?;
    for (victim, (kill, code)) in victims.iter_mut().zip([("KILL QUERY", 1317), ("KILL", 1927)]) {
        victim.send(command::QUERY, b"COMMIT")?;
        until("a commit that is held", || {
            let [doing, primary, _] = seen(&mut killer, victim.id)?;
            Ok((doing == "Query" && primary.is_empty()).then_some(()))
        })?;
        ensure!(!has_reply(victim)?, "committed by nobody");
        killer.run(&format!("{kill} {}", victim.id))?;
        told(victim, kill, code)?;
    }
    ensure!(
        status(&mut killer, "primary")? == "none is open",
        "the primary opened without its row"
    );
    drop(closed);
    world.open_after(epoch)?;
    let [mut interrupted, mut ended] = victims;
    ensure!(ended.query("COMMIT").is_err(), "the killed session lives");
    let stored = "SELECT GROUP_CONCAT(id) FROM s65";
    ensure!(world.direct()?.value(stored)? == "NULL", "what was killed is there");
    // Only the statement was killed, and not what was done before it.
    interrupted.run("COMMIT")?;
    ensure!(world.direct()?.value(stored)? == "0");
    Ok(())
}

fn s65_replayed(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s65r (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s65r VALUES (1, 0)",
    ])?;
    let (former, replicas, epoch) = (world.primary()?, world.replicas()?, world.lab.status()?.epoch);
    let (mut victim, mut killer) = (world.session()?, world.session()?);
    victim.run("BEGIN")?;
    victim.run("INSERT INTO s65r VALUES (2, 0)")?;
    victim.run("UPDATE s65r SET v = v + 1 WHERE id = 1")?;
    // On whichever leads next the second statement waits.
    let row = "SELECT v FROM compat.s65r WHERE id = 1 LOCK IN SHARE MODE";
    let _held: Vec<_> = replicas
        .iter()
        .map(|node| holding(world, node, row))
        .collect::<Result<_>>()?;
    nemesis::kill_server(&world.lab, &former)?;
    let waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'compat' AND command = 'Query' \
                 AND info LIKE '%UPDATE s65r%'";
    for (kill, code) in [("KILL QUERY", 1317), ("KILL", 1927)] {
        victim.send(command::QUERY, b"COMMIT")?;
        until("a replay that waits", || {
            ensure!(!has_reply(&victim)?, "{kill}: it did not wait");
            let mut counts = replicas.iter().map(|node| world.on_server(node, waits));
            Ok(counts
                .any(|count| count.is_ok_and(|count| count.trim() == "1"))
                .then_some(()))
        })?;
        killer.run(&format!("{kill} {}", victim.id))?;
        told(&mut victim, kill, code)?;
    }
    ensure!(victim.query("COMMIT").is_err(), "the killed session lives");
    world.open_after(epoch)?;
    let left = world.direct()?.value("SELECT GROUP_CONCAT(id, ':', v) FROM s65r")?;
    ensure!(left == "1:0", "a part was committed: {left}");
    Ok(())
}
