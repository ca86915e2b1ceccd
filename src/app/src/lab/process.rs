//! Processes of a lab: found, verified and signalled.
//!
//! A pid alone proves nothing, since pids are reused: a signal goes through a pidfd, and only after the command line
//! of that very process was seen to name this lab's files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::dir::LabDir;

/// A process of a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its pid.
    pub(crate) pid: u32,
    /// Its program, as the kernel names it.
    pub(crate) program: String,
}

/// Every process of the lab, the runner included.
pub(crate) fn of_lab(dir: &LabDir) -> Vec<Found> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| belongs(*pid, dir))
        .map(|pid| Found {
            pid,
            program: program(pid).unwrap_or_default(),
        })
        .collect()
}

/// Whether `pid` is this lab's runner, alive.
pub(crate) fn is_runner(pid: u32, dir: &LabDir) -> bool {
    let Some(words) = command_line(pid) else {
        return false;
    };
    is_alive(pid) && names_runner(&words, dir)
}

/// Sends a signal, if `pid` is a process of this lab; says whether it was sent.
pub(crate) fn signal(pid: u32, dir: &LabDir, signal: Signal) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let Ok(handle) = pidfd_open(raw, PidfdFlags::empty()) else {
        return false;
    };
    belongs(pid, dir) && pidfd_send_signal(&handle, signal).is_ok()
}

/// Kills the server of a node, with whatever was started for it; says how many processes that were.
pub(crate) fn kill_server(dir: &LabDir, node: &str) -> usize {
    let data = within(&dir.data(node));
    of_lab(dir)
        .into_iter()
        .filter(|found| {
            command_line(found.pid).is_some_and(|words| {
                is_of_server(found.pid, &words, dir) && words.iter().any(|word| word.contains(&data))
            })
        })
        .filter(|found| signal(found.pid, dir, Signal::KILL))
        .count()
}

/// The `mariadbd` that is a child of `agent`, unless it only initialises a data directory.
pub(crate) fn server_of(agent: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{agent}/task")).ok()?;
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .find(|pid| is_server(*pid))
}

/// Whether `pid` still is a child of `parent`, and alive.
pub(crate) fn is_child(pid: u32, parent: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.parent == parent && !stat.dead)
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !stat.dead)
}

/// Waits until no process of `pids` is left; says which are after `limit`.
pub(crate) async fn gone(pids: &[u32], limit: Duration) -> Vec<u32> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let left: Vec<u32> = pids.iter().copied().filter(|pid| is_alive(*pid)).collect();
        if left.is_empty() || tokio::time::Instant::now() >= deadline {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn belongs(pid: u32, dir: &LabDir) -> bool {
    command_line(pid)
        .is_some_and(|words| names_runner(&words, dir) || names_role(&words, dir) || is_of_server(pid, &words, dir))
}

/// Whether it is a server, or what is started for one. The binary of the other processes may have any name.
fn is_of_server(pid: u32, words: &[String], dir: &LabDir) -> bool {
    program(pid)
        .is_some_and(|name| matches!(name.as_str(), "mariadbd" | "setpriv") || name.starts_with("mariadb-install"))
        && names_data(words, dir)
}

fn names_runner(words: &[String], dir: &LabDir) -> bool {
    let dir = dir.path().to_string_lossy();
    words.windows(4).any(|window| {
        matches!(window, [lab, run, flag, path] if lab == "lab" && run == "run" && flag == "--dir" && *path == dir)
    })
}

fn names_role(words: &[String], dir: &LabDir) -> bool {
    let conf = within(&dir.conf_dir());
    let is_role = |verb: &str| matches!(verb, "supervise" | "agent" | "route");
    words.windows(3).any(
        |window| matches!(window, [verb, flag, path] if is_role(verb) && flag == "--config" && path.starts_with(&conf)),
    )
}

fn names_data(words: &[String], dir: &LabDir) -> bool {
    let data = within(&dir.path().join("data"));
    words.iter().any(|word| word.contains(&data))
}

fn within(dir: &Path) -> String {
    format!("{}/", dir.display())
}

fn is_server(pid: u32) -> bool {
    program(pid).as_deref() == Some("mariadbd")
        && command_line(pid).is_some_and(|words| !words.iter().any(|word| word == "--bootstrap"))
}

fn program(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

fn command_line(pid: u32) -> Option<Vec<String>> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = raw.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    Some(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

struct Stat {
    parent: u32,
    dead: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may itself hold spaces and parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let dead = matches!(fields.next()?, "Z" | "X");
    Some(Stat {
        parent: fields.next()?.parse().ok()?,
        dead,
    })
}
