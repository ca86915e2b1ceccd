//! A short run of random statements; the long ones are for `cargo run --bin differ`.

use anyhow::{Context as _, Result};
use quorate_chaos::differ::{Differ, side};
use quorate_chaos::wire::Session;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[("random_statements_get_the_same_replies", random_statements)];

/// Steps of each seed.
const STEPS: usize = 1_000;
const SEEDS: [u64; 2] = [1, 2];

fn random_statements(world: &World) -> Result<()> {
    for seed in SEEDS {
        let direct = world.as_admin(world.around()?)?;
        let through = world.as_admin(world.through()?)?;
        let sides = [
            side(&direct, &direct, "differ_around")?,
            side(&through, &direct, "differ_thrugh")?,
        ];
        world.applied(&Session::open(&direct)?.value("SELECT @@gtid_binlog_pos")?)?;
        let differ = Differ::new(sides, seed)?;
        differ.run(STEPS).with_context(|| format!("seed {seed}"))?;
    }
    Ok(())
}
