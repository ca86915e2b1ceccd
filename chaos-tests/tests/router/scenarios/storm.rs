//! Many more clients than a server bears, all of whom want to write in the moment in which a primary is lost.

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::nemesis;
use quorate_chaos::workloads::{Storm, each_once};

use crate::Case;
use crate::sidecar::Sidecar;
use crate::world::World;

pub(super) const CASES: &[Case] = &[(
    "s44_a_storm_of_clients_after_a_failover_is_let_through_in_turn",
    s44_storm,
)];

/// Where the limit of open files has room. `make bench-router` has five times as many.
const CLIENTS: usize = 1000;
/// Connections that the router may have to a server for them.
const BACKENDS: usize = 100;
/// Connections that others have to a server: the lab's own routers, supervisors, agents, replicas.
const OTHERS: usize = 50;
/// What a client that waits may add to the router's memory, connections to servers included.
const EACH_MOST_KIB: u64 = 32;
/// Beyond what any machine takes, so that who waits long is not sent away.
const WAIT_MS: u64 = 90_000;

fn s44_storm(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE s44 (id INT PRIMARY KEY AUTO_INCREMENT, client INT, KEY (client))"])?;
    let clients = Storm::room(CLIENTS)?;
    let router = Sidecar::start(world, "storm", |config| {
        config.limits.max_connections = clients;
        config.limits.hold_max = clients;
        config.limits.hold_wait_ms = WAIT_MS;
        config.pool.waiters_max = clients;
        config.pool.wait_ms = WAIT_MS;
        config.pool.max_backends = BACKENDS;
    })?;
    let mut storm = Storm::gather(&World::login(&router.rw), clients)?;
    for node in world.replicas()? {
        // Otherwise it would be replicated: a write on a replica.
        world.on_server(&node, "FLUSH LOCAL STATUS")?;
    }
    let epoch = world.lab.status()?.epoch;
    let before = router.memory_kib("VmRSS")?;
    nemesis::kill_server(&world.lab, &world.primary()?)?;
    let calmed = storm.strike("s44")?;
    ensure!(calmed.errors.is_empty() && calmed.done == clients, "{calmed:?}");
    world.open_after(epoch)?;
    each_once(&mut world.direct()?, "s44", clients)?;
    let most = router.memory_kib("VmHWM")?;
    ensure!(
        most.saturating_sub(before) <= EACH_MOST_KIB * clients as u64,
        "the router grew from {before} to {most} KiB"
    );
    let used = world.on_server(&world.primary()?, "SHOW GLOBAL STATUS LIKE 'Max_used_connections'")?;
    let used: usize = used.split_whitespace().nth(1).context("no figure")?.parse()?;
    ensure!(used <= BACKENDS + OTHERS, "{used} connections to the next primary");
    Ok(())
}
