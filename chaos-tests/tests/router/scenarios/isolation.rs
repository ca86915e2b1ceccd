//! What `SET TRANSACTION` says holds for the transaction that it is for, whoever leads by then, and for no other one.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::Session;

use super::between::{seen, until};
use crate::Case;
use crate::world::World;

pub(super) const CASES: &[Case] = &[("what_set_transaction_says_survives_a_failover", survives)];

/// The server makes its table of transactions anew only after nobody has looked at it for a tenth of a second.
const MADE_ANEW: Duration = Duration::from_millis(150);

const COUNT: &str = "SELECT COUNT(*) FROM isolated";

/// Waits until the session's transaction, which has read, has this level at its server.
fn has_level(world: &World, session: &mut Session, level: &str) -> Result<()> {
    session.run(COUNT)?;
    let [_, primary, _] = seen(&mut world.session()?, session.id)?;
    let (node, thread) = primary.split_once(" thread ").context(primary.clone())?;
    let sql =
        format!("SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = {thread}");
    until(level, || {
        thread::sleep(MADE_ANEW);
        let found = world.on_server(node, &sql)?;
        Ok((found.trim() == level).then_some(()))
    })
}

fn survives(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE isolated (id INT PRIMARY KEY)",
        "INSERT INTO isolated VALUES (0)",
    ])?;
    let serializable = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
    // It waits for its transaction.
    let mut waiting = [world.session()?, world.session()?];
    for (session, set) in waiting
        .iter_mut()
        .zip([serializable, "SET @@tx_isolation = 'SERIALIZABLE'"])
    {
        session.run(set)?;
    }
    // Its transaction is open.
    let mut open = world.session()?;
    open.run(serializable)?;
    open.run("BEGIN")?;
    has_level(world, &mut open, "SERIALIZABLE")?;
    // It was used up: a read of a table is a transaction, and a statement without tables is none.
    let mut used = world.session()?;
    used.run("SET TRANSACTION READ ONLY")?;
    used.run("DO 0")?;
    used.run(COUNT)?;
    let mut unused = world.session()?;
    unused.run("SET TRANSACTION READ ONLY")?;
    unused.run("DO 0")?;
    world.fail_over()?;
    for session in &mut waiting {
        session.run("BEGIN")?;
        has_level(world, session, "SERIALIZABLE")?;
        session.run("COMMIT")?;
        session.run("BEGIN")?;
        has_level(world, session, "REPEATABLE READ")?;
        session.run("COMMIT")?;
    }
    has_level(world, &mut open, "SERIALIZABLE")?;
    open.run("INSERT INTO isolated VALUES (1)")?;
    open.run("COMMIT")?;
    used.run("INSERT INTO isolated VALUES (2)")?;
    let error = unused.refused("INSERT INTO isolated VALUES (3)")?;
    ensure!(error.code == 1792, "{error}");
    ensure!(world.direct()?.value("SELECT GROUP_CONCAT(id) FROM isolated")? == "0,1,2");
    Ok(())
}
