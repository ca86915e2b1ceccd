//! The next version of a router takes over while clients come, stay and go: every statement gets its reply.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::{Login, Session};

use crate::Case;
use crate::sidecar::{Sidecar, ended};
use crate::world::{RECOVERY, World};

pub(super) const CASES: &[Case] = &[("s72_an_upgrade_under_load_loses_no_reply", s72_upgrade)];

/// Statements of one connection: some come and go, some stay for a while.
const STAYS: [u64; 4] = [1, 1, 10, 40];
const UPGRADES: usize = 2;
/// Statements that are answered around each upgrade.
const BETWEEN: u64 = 30;

/// Clients at work.
#[derive(Debug, Default)]
struct Load {
    answered: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Writes rows and reads each back, over connections of `stay` rows, until told to stop; how many rows.
    fn work(&self, login: &Login, client: usize, stay: u64) -> Result<u64> {
        let mut rows = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let mut session = Session::open(login).with_context(|| format!("client {client}"))?;
            for _ in 0..stay {
                let id = (client as u64) << 32 | rows;
                session.run(&format!("INSERT INTO s72u VALUES ({id}, {id} + 1)"))?;
                let read = session.value(&format!("SELECT v FROM s72u WHERE id = {id}"))?;
                ensure!(read == (id + 1).to_string(), "client {client} read {read} for {id}");
                rows += 1;
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(rows)
    }

    /// Waits until so many more statements were answered, unless clients gave up.
    fn more(&self, count: u64) -> Result<()> {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        for _ in 0..RECOVERY.as_millis() / 5 {
            if self.answered.load(Ordering::Relaxed) >= goal {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        anyhow::bail!("clients stand still")
    }
}

fn s72_upgrade(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s72u (id BIGINT PRIMARY KEY, v BIGINT)"])?;
    let mut router = Sidecar::start(world, "upgraded", |_| {})?;
    let login = World::login(&router.rw);
    let load = Load::default();
    let (upgraded, rows) = thread::scope(|scope| {
        let clients: Vec<_> = STAYS
            .iter()
            .enumerate()
            .map(|(client, stay)| {
                let (load, login) = (&load, &login);
                scope.spawn(move || load.work(login, client, *stay))
            })
            .collect();
        let upgraded = (0..UPGRADES).try_for_each(|turn| upgrade(&mut router, &login, &load, turn));
        load.stop.store(true, Ordering::Relaxed);
        let rows = clients.into_iter().map(|client| match client.join() {
            Ok(rows) => rows,
            Err(_) => anyhow::bail!("a client panicked"),
        });
        (upgraded, rows.collect::<Result<Vec<_>>>())
    });
    // What a client saw says more than that it then stood still.
    let rows: u64 = rows?.iter().sum();
    upgraded?;
    let wanted = rows + UPGRADES as u64;
    let stored = world.direct()?.value("SELECT COUNT(*) FROM s72u WHERE v = id + 1")?;
    ensure!(
        stored == wanted.to_string(),
        "{stored} rows are stored, {wanted} were acknowledged"
    );
    Ok(())
}

/// One upgrade, in the middle of a transaction.
fn upgrade(router: &mut Sidecar, login: &Login, load: &Load, turn: usize) -> Result<()> {
    let mut stays = Session::open(login)?;
    let id = -1 - i64::try_from(turn)?;
    stays.run("BEGIN")?;
    stays.run(&format!("INSERT INTO s72u VALUES ({id}, {id} + 1)"))?;
    load.more(BETWEEN)?;
    let mut old = router.take_over()?;
    load.more(BETWEEN)?;
    let read = stays.value(&format!("SELECT v FROM s72u WHERE id = {id}"))?;
    ensure!(read == (id + 1).to_string(), "read {read} in the transaction");
    stays.run("COMMIT")?;
    drop(stays);
    let status = ended(&mut old).context("everybody has left the old router")?;
    ensure!(status.success(), "the old router ended with {status}");
    load.more(BETWEEN)
}
