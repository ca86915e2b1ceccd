//! Ten thousand sessions that do nothing: memory of the process in the middle for each.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::client::Client;
use super::haproxy::CONNECTIONS_MAX;
use super::path::{Path, PathName};
use super::process::resident_kib;
use super::stage::Stage;
use crate::bench::{Figure, Unit};
use crate::lab::Account;

/// Sessions, where the limit of open files has room: the router needs two files for each.
const SESSIONS: u64 = 10_000;
/// Files that a process needs beside those of its sessions.
const OTHER_FILES: u64 = 400;
/// Sessions opened before the count begins, so that what is allocated once is not counted.
const WARM: usize = 50;
/// Clients that log in at the same time: the door of a node greets a plain client only after a quarter of a second, in which a
/// router would have begun to speak.
const OPENERS: usize = 64;
/// Until what closing and opening left behind has been tidied.
const SETTLE: Duration = Duration::from_secs(2);
const EACH_MOST_KIB: f64 = 20.0;

/// KiB for each idle session on every path that has a process in the middle.
///
/// # Errors
/// If a path does not take them.
pub fn idle_sessions(stage: &Stage<'_>, say: impl Fn(&str)) -> Result<Vec<Figure>> {
    let sessions = room()?;
    let mut figures = Vec::new();
    for path in &stage.paths {
        let Some(pid) = path.pid else { continue };
        let sessions = match path.name {
            PathName::Haproxy => sessions.min(CONNECTIONS_MAX as usize - WARM),
            _ => sessions,
        };
        let each = measure(stage, path, pid, sessions).with_context(|| format!("path {}", path.name))?;
        say(&format!(
            "  {sessions} idle sessions, {}: {each:.1} KiB each",
            path.name
        ));
        let targets: &[_] = if path.name == PathName::Haproxy {
            &[]
        } else {
            &[("max", EACH_MOST_KIB)]
        };
        let name = format!("{sessions} idle sessions: {}, memory for each", path.name);
        figures.extend(Figure::of(&name, Unit::Kibibytes, vec![each], targets));
    }
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "sessions and KiB are far below 2^52")]
fn measure(stage: &Stage<'_>, path: &Path, pid: i32, sessions: usize) -> Result<f64> {
    let warm = open(path, &stage.account, WARM)?;
    let before = resident_kib(pid)?;
    let idle = open(path, &stage.account, sessions)?;
    std::thread::sleep(SETTLE);
    let after = resident_kib(pid)?;
    drop((warm, idle));
    std::thread::sleep(SETTLE);
    Ok(after.saturating_sub(before) as f64 / sessions as f64)
}

/// Opens sessions, each of which has asked something once.
fn open(path: &Path, account: &Account, count: usize) -> Result<Vec<Client>> {
    let one = |nth: usize| -> Result<Client> {
        let mut client = Client::log_in(path, account).with_context(|| format!("session {nth}"))?;
        client.ask("SELECT 1")?;
        Ok(client)
    };
    let some = |first: usize| (first..count).step_by(OPENERS).map(one).collect::<Result<Vec<_>>>();
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS).map(|first| scope.spawn(move || some(first))).collect();
        let mut clients = Vec::with_capacity(count);
        for opener in openers {
            clients.extend(opener.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(clients)
    })
}

/// Raises our own limit of files and says how many sessions a router can have under it: children inherit it.
fn room() -> Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let files = limit.maximum.unwrap_or(u64::MAX);
    Ok(usize::try_from((files.saturating_sub(OTHER_FILES) / 2).min(SESSIONS))?)
}
