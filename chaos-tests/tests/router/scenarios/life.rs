//! Routers that stop, and routers that come back from nowhere.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::checkers::{lost_writes, stored_ids};
use quorate_chaos::nemesis;
use quorate_chaos::wire::{ServerError, Session};
use quorate_chaos::workloads::SetWorkload;

use crate::Case;
use crate::world::{RECOVERY, World};

pub(super) const CASES: &[Case] = &[
    (
        "s72_a_router_that_is_restarted_under_load_loses_no_write_and_no_reply",
        s72_restart,
    ),
    (
        "s73_a_router_that_slept_through_a_failover_writes_to_no_old_primary",
        s73_stale,
    ),
    ("s72_whom_a_router_that_stops_has_not_let_in_is_told_so", s72_not_yet_in),
];

/// Clients that write while their router is restarted.
const WRITERS: u64 = 4;

fn s72_restart(world: &World) -> Result<()> {
    // A machine that is busy must not cut off what is under way.
    let before = world.reconfigure("r2", &[("drain_ms: 1000", "drain_ms: 60000")])?;
    let restarted = restart_under_load(world);
    world.restore("r2", &before)?;
    restarted
}

fn restart_under_load(world: &World) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let info = world.info()?;
        let options = SetWorkload::options(&info, &world.router("r2")?.rw)?;
        SetWorkload::prepare(&options).await?;
        let workload = SetWorkload::start(&options, WRITERS, 72);
        for _ in 0..2 {
            workload.wait_for(100, RECOVERY).await?;
            nemesis::stop_router(&world.lab, "r2")?;
            workload.wait_for(100, RECOVERY).await?;
        }
        let history = workload.finish().await?;
        ensure!(
            history.redials > WRITERS,
            "nobody's connection ended: no router was stopped"
        );
        let loss = lost_writes(&history, &stored_ids(&options).await?);
        ensure!(loss.lost.is_empty() && loss.phantoms.is_empty(), "{loss:?}");
        ensure!(loss.unanswered.is_empty(), "carried out, and never answered: {loss:?}");
        Ok(())
    })
}

fn s73_stale(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s73 (id INT PRIMARY KEY)"])?;
    world.lab.wait_healthy(RECOVERY)?;
    let mut session = Session::open(&World::login(&world.router("r2")?.rw))?;
    session.run("INSERT INTO s73 VALUES (0)")?;
    nemesis::freeze_router(&world.lab, "r2")?;
    let failed_over = world.fail_over();
    nemesis::thaw_router(&world.lab, "r2")?;
    failed_over?;
    let mut written = vec!["0".to_owned()];
    for id in 1..50 {
        match session.run(&format!("INSERT INTO s73 VALUES ({id})")) {
            Ok(_) => written.push(id.to_string()),
            Err(_) => session = dial(world)?,
        }
    }
    ensure!(written.len() > 10, "the router did not come back: {written:?}");
    let found = world.direct()?.rows("SELECT id FROM s73 ORDER BY id")?;
    for id in written {
        ensure!(
            found.iter().any(|row| row[0].as_deref() == Some(&id)),
            "{id} was acknowledged and is not there"
        );
    }
    Ok(())
}

fn s72_not_yet_in(world: &World) -> Result<()> {
    let former = world.router("r2")?.pid;
    let login = World::login(&world.router("r2")?.rw);
    let mut greeted = TcpStream::connect(&login.address)?;
    greeted.set_read_timeout(Some(RECOVERY))?;
    ensure!(packet(&mut greeted)?.first() == Some(&10), "no greeting");
    // One session has the only connection that there may be; a client that logs in waits for its server's verdict.
    let before = world.reconfigure("r2", &[("max_backends: 512", "max_backends: 1")])?;
    let mut session = Session::open(&login)?;
    session.run("DO GET_LOCK('s72', 0)")?;
    let client = std::thread::spawn(move || Session::open(&login).map(drop));
    let waits = vec![Some("waiting_for_backend".to_owned()), Some("1".to_owned())];
    while !session.rows("SHOW QUORATE STATUS")?.contains(&waits) {
        // It ends by itself when it has waited long enough for a connection.
        ensure!(!client.is_finished(), "the login did not wait");
        std::thread::sleep(Duration::from_millis(10));
    }
    nemesis::stop_router(&world.lab, "r2")?;
    let refused = packet(&mut greeted)?;
    ensure!(refused.starts_with(&[0xff, 0x1d, 0x04]), "{}", refused.escape_ascii());
    let ended = client.join().map_err(|_| anyhow::anyhow!("the client panicked"))?;
    let error = ended.err().context("it was let in")?;
    let told = error.downcast_ref::<ServerError>();
    ensure!(told.is_some_and(|told| told.code == 1053), "{error:#}");
    // The next one takes the setting back.
    for _ in 0..1000 {
        let pid = world.router("r2")?.pid;
        if pid.is_some() && pid != former {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(dial(world)?);
    world.restore("r2", &before)
}

/// The payload of the next packet.
fn packet(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut payload = vec![0; usize::from(head[0]) | usize::from(head[1]) << 8];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}

/// A session through the second router, as soon as it lets somebody in.
fn dial(world: &World) -> Result<Session> {
    let login = World::login(&world.router("r2")?.rw);
    let mut last = Ok(());
    for _ in 0..200 {
        match Session::open(&login) {
            Ok(session) => return Ok(session),
            Err(error) => last = Err(error),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    last.context("the second router lets nobody in")?;
    anyhow::bail!("never tried")
}
