//! Between two primaries, step by step: each step of the way back is held up by a lock, until the one before it was seen.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use quorate_chaos::nemesis;
use quorate_chaos::wire::{Session, command};

use crate::Case;
use crate::world::{Helper, RECOVERY, World};

pub(super) const CASES: &[Case] = &[
    ("a_transaction_that_loses_primary_after_primary_is_given_up", given_up),
    ("a_read_is_answered_before_the_next_primary_is_open", early_read),
    (
        "a_session_is_with_the_next_primary_while_its_write_is_looked_up",
        early_session,
    ),
];

/// Between two looks at a level.
const LOOK: Duration = Duration::from_millis(10);
/// Primaries that may be lost under one replay.
const LOSSES_MAX: usize = 5;

/// Looks until it gives something.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    for _ in 0..RECOVERY.as_millis() / LOOK.as_millis() {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        thread::sleep(LOOK);
    }
    bail!("{what}: not within {RECOVERY:?}")
}

/// Holds the locks of a statement on a server itself, whoever leads, until it is dropped.
pub(super) fn holding(world: &World, node: &str, locking: &str) -> Result<Helper> {
    let mut client = world.client(node)?;
    let child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut helper = Helper(child);
    let stdin = helper.0.stdin.as_mut().context("no standard input")?;
    stdin.write_all(format!("BEGIN; {locking}; SELECT 'held';\n").as_bytes())?;
    let stdout = helper.0.stdout.as_mut().context("no standard output")?;
    let mut said = Vec::new();
    while !said.ends_with(b"held\n") {
        let mut byte = [0];
        stdout
            .read_exact(&mut byte)
            .with_context(|| format!("holding {node}"))?;
        said.extend(byte);
    }
    Ok(helper)
}

/// Lets none of these nodes open an epoch, until it is dropped: they cannot write the row that begins it.
pub(super) fn closed(world: &World, nodes: &[String]) -> Result<Vec<Helper>> {
    let epochs = "SELECT COUNT(*) FROM quorate.epoch LOCK IN SHARE MODE";
    nodes.iter().map(|node| holding(world, node, epochs)).collect()
}

/// Routers without the password of their own account, which they read at each login: they neither look how far a server is
/// nor what is in its binlog, but through connections of the epoch that ends. Undone when this is dropped.
struct Blind {
    password: PathBuf,
    away: PathBuf,
}

impl Blind {
    fn begin(world: &World) -> Result<Self> {
        let blind = Self {
            password: world.file("secrets/router"),
            away: world.file("secrets/router-away"),
        };
        std::fs::rename(&blind.password, &blind.away)?;
        Ok(blind)
    }
}

impl Drop for Blind {
    fn drop(&mut self) {
        // It was there a moment ago.
        let _ = std::fs::rename(&self.away, &self.password);
    }
}

/// A value of `SHOW QUORATE STATUS`.
pub(super) fn status(watcher: &mut Session, name: &str) -> Result<String> {
    let rows = watcher.rows("SHOW QUORATE STATUS")?;
    let row = rows.into_iter().find(|row| row[0].as_deref() == Some(name));
    let value = row.and_then(|row| row.into_iter().nth(1).flatten());
    value.with_context(|| format!("no `{name}` in the status"))
}

/// What `SHOW QUORATE SESSIONS` says of a session: what it does, its primary and its replica.
pub(super) fn seen(watcher: &mut Session, id: u32) -> Result<[String; 3]> {
    let rows = watcher.rows("SHOW QUORATE SESSIONS")?;
    let id = id.to_string();
    let row = rows.into_iter().find(|row| row[0].as_deref() == Some(&id));
    let mut row = row.with_context(|| format!("no session {id}"))?;
    Ok([5, 10, 11].map(|column| row[column].take().unwrap_or_default()))
}

/// Whether the server has sent anything that was not read yet.
pub(super) fn has_reply(session: &Session) -> Result<bool> {
    let socket = session.socket();
    socket.set_nonblocking(true)?;
    let peeked = socket.peek(&mut [0]);
    socket.set_nonblocking(false)?;
    Ok(peeked.is_ok())
}

fn given_up(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE again (id INT PRIMARY KEY, v INT)",
        "INSERT INTO again VALUES (1, 0)",
    ])?;
    let lock = "SELECT v FROM again WHERE id = 1 FOR UPDATE";
    let primary = world.primary()?;
    let mut session = world.session()?;
    session.run("BEGIN")?;
    session.run("INSERT INTO again VALUES (2, 0)")?;
    session.run(lock)?;
    // For the router a connection that is cut is a primary that is lost. From here on every replay waits for the lock.
    let [_, attached, _] = seen(&mut world.session()?, session.id)?;
    let (_, thread) = attached.split_once(" thread ").context(attached.clone())?;
    world.on_server(&primary, &format!("KILL CONNECTION {thread}"))?;
    let _held = holding(world, &primary, &lock.replace("again", "compat.again"))?;
    session.send(command::QUERY, b"COMMIT")?;
    let waiting = format!(
        "SELECT id FROM information_schema.processlist WHERE user = 'compat' AND command = 'Query' AND info LIKE '%{lock}%'"
    );
    let mut killed = 0;
    until("an end of the replays", || {
        if has_reply(&session)? {
            return Ok(Some(()));
        }
        for thread in world.on_server(&primary, &waiting)?.lines() {
            killed += 1;
            ensure!(killed <= 2 * LOSSES_MAX, "it is replayed for ever");
            // It may be gone by itself.
            let _ = world.on_server(&primary, &format!("KILL CONNECTION {thread}"));
        }
        Ok(None)
    })?;
    let error = session.reply()?.error().cloned().context("it was committed")?;
    ensure!(error.code == 1213, "{error}");
    ensure!(killed >= LOSSES_MAX, "given up after {killed} losses: {error}");
    ensure!(
        session.value("SELECT 1")? == "1",
        "the session ended with its transaction"
    );
    ensure!(
        session.value("SELECT COUNT(*) FROM again")? == "1",
        "a part was committed"
    );
    Ok(())
}

fn early_read(world: &World) -> Result<()> {
    world.make(&["CREATE OR REPLACE TABLE early (v INT)", "INSERT INTO early VALUES (7)"])?;
    let replicas = world.replicas()?;
    let epoch = world.lab.status()?.epoch;
    let (mut reader, mut watcher) = (world.session()?, world.session()?);
    // The next primary cannot write the row that begins its epoch, and this router cannot read how far anybody is.
    let held = closed(world, &replicas)?;
    let blind = Blind::begin(world)?;
    nemesis::kill_server(&world.lab, &world.primary()?)?;
    until("a replica of the next epoch", || {
        let later = status(&mut watcher, "epoch")?.parse::<u64>()? > epoch;
        Ok((later && status(&mut watcher, "replicas")? != "0").then_some(()))
    })?;
    ensure!(status(&mut watcher, "primary")? == "none is open");
    reader.send(command::QUERY, b"SELECT v, @@server_id FROM early")?;
    until("a read that is held", || {
        Ok((seen(&mut watcher, reader.id)?[0] == "Query").then_some(()))
    })?;
    ensure!(!has_reply(&reader)?, "a read was answered by nobody known");
    drop(blind);
    let reply = reader.reply()?;
    ensure!(reply.error().is_none(), "{:?}", reply.error());
    ensure!(reply.sets[0].rows[0][0].as_deref() == Some("7"), "{:?}", reply.sets);
    let [_, primary, replica] = seen(&mut watcher, reader.id)?;
    ensure!(primary.is_empty() && !replica.is_empty(), "it has {primary}, {replica}");
    ensure!(
        status(&mut watcher, "primary")? == "none is open",
        "the primary opened without its row"
    );
    drop(held);
    world.open_after(epoch)
}

fn early_session(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE looked_up (id INT PRIMARY KEY, v INT)",
        "INSERT INTO looked_up VALUES (1, 0)",
    ])?;
    let epoch = world.lab.status()?.epoch;
    let former = world.primary()?;
    let (mut writer, mut watcher) = (world.session()?, world.session()?);
    // The write is under way when its server dies, and nobody can look into the next one's binlog.
    let row = "SELECT v FROM compat.looked_up WHERE id = 1 FOR UPDATE";
    let held = holding(world, &former, row)?;
    writer.send(command::QUERY, b"UPDATE looked_up SET v = v + 1 WHERE id = 1")?;
    let waits =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'compat' AND info LIKE '%UPDATE looked_up%'";
    until("a write under way", || {
        Ok((world.on_server(&former, waits)?.trim() == "1").then_some(()))
    })?;
    let blind = Blind::begin(world)?;
    nemesis::kill_server(&world.lab, &former)?;
    drop(held);
    until("a session that is with the next primary", || {
        let [_, primary, _] = seen(&mut watcher, writer.id)?;
        ensure!(!has_reply(&writer)?, "an answer that nobody could know");
        Ok((!primary.is_empty() && !primary.starts_with(&format!("{former} "))).then_some(()))
    })?;
    drop(blind);
    let reply = writer.reply()?;
    ensure!(reply.error().is_none(), "{:?}", reply.error());
    world.open_after(epoch)?;
    ensure!(world.direct()?.value("SELECT v FROM looked_up")? == "1");
    Ok(())
}
