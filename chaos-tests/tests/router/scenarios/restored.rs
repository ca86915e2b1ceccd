//! A replica that has less than it had: nobody reads there what he must not see any more.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::nemesis;
use quorate_chaos::wire::Session;

use super::between::until;
use crate::Case;
use crate::world::{RECOVERY, World};

pub(super) const CASES: &[Case] = &[("s52_a_replica_that_was_restored_shows_nothing_old", s52_restored)];

/// So many that the restored replica takes a while to have them again.
const ROWS: u32 = 300_000;

/// Copies a folder as it is.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(status.success(), "copying {} failed", from.display());
    Ok(())
}

fn s52_restored(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s52r (id INT PRIMARY KEY, v INT)",
        "CREATE OR REPLACE TABLE s52m (id INT PRIMARY KEY)",
        "INSERT INTO s52r VALUES (1, 0)",
    ])?;
    let node = world.replicas()?.pop().context("no replica")?;
    let id = world.on_server(&node, "SELECT @@server_id")?;
    let data = world.file("data").join(&node).join("data");
    let backup = world.file("s52-backup");
    // What a server leaves that stands still is what one leaves that loses its power.
    nemesis::freeze(&world.lab, &node)?;
    let copied = copy(&data, &backup);
    nemesis::thaw(&world.lab, &node)?;
    copied?;
    world.lab.wait_healthy(RECOVERY)?;
    let mut writer = world.session()?;
    writer.run(&format!("INSERT INTO s52m SELECT seq FROM seq_1_to_{ROWS}"))?;
    writer.run("UPDATE s52r SET v = 1")?;
    let token = writer.value("SHOW QUORATE TOKEN")?;
    world.applied(&world.direct()?.value("SELECT @@gtid_binlog_pos")?)?;
    let mut reader = Session::open(&World::login(&world.router("r2")?.rw))?;
    reader.run(&format!("SET @quorate_token = '{token}'"))?;
    let read = format!("SELECT /* quorate route to node {node} */ v FROM s52r");
    for session in [&mut writer, &mut reader] {
        ensure!(session.value(&read)? == "1");
    }
    // The agent finds another server than it has left.
    nemesis::freeze(&world.lab, &node)?;
    nemesis::kill_server(&world.lab, &node)?;
    let lost = world.file("s52-lost");
    std::fs::rename(&data, &lost)?;
    std::fs::rename(&backup, &data)?;
    nemesis::thaw(&world.lab, &node)?;
    let old = read.replace("*/", "causal=none */");
    let mut shown = 0;
    until("a replica that has everything again", || {
        let own = world.on_server(&node, "SELECT v FROM compat.s52r").unwrap_or_default();
        // Who wants no more than what the replica has is shown it.
        shown += u32::from(writer.value(&old)? == "0");
        for session in [&mut writer, &mut reader] {
            let seen = session.value(&read)?;
            ensure!(seen == "1", "{seen} was read");
        }
        Ok((own.trim() == "1").then_some(()))
    })?;
    ensure!(shown > 0, "nobody was let in before it had everything again");
    world.lab.wait_healthy(RECOVERY)?;
    for session in [&mut writer, &mut reader] {
        let read = read.replace(" v ", " @@server_id ");
        until(
            "a read on it",
            || Ok((session.value(&read)? == id.trim()).then_some(())),
        )?;
    }
    std::fs::remove_dir_all(&lost)?;
    Ok(())
}
