//! `lab kill|freeze|thaw|restart ID`: faults for play.

use std::fmt;

use rustix::process::Signal;
use serde::Serialize;

use super::dir::LabDir;
use super::inventory::Inventory;
use super::process;
use super::runner::{self, Request};
use crate::output::{Console, Exit, Problem};

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    /// SIGKILL.
    Kill(KillScope),
    /// SIGSTOP: it lives and answers nothing.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// A planned stop, then a start at once.
    Restart,
}

/// What of a MariaDB node is killed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KillScope {
    /// `mariadbd`: a crash of the server.
    #[default]
    Server,
    /// The agent alone.
    Agent,
    /// Both together: a lost machine.
    All,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill(_) => "killed",
            Self::Freeze => "froze",
            Self::Thaw => "thawed",
            Self::Restart => "restarted",
        })
    }
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    deed: Deed,
    id: &'a str,
    pids: Vec<u32>,
}

/// Does it.
pub(crate) async fn play(console: Console, dir: &LabDir, deed: Deed, id: &str) -> anyhow::Result<Exit> {
    let inventory = Inventory::require(dir)?;
    let pids = pids(&inventory, deed, id)?;
    let pids = match deed {
        Deed::Restart => {
            let request = Request::Restart { id: id.to_owned() };
            vec![runner::ask(dir, &request).await?]
        }
        Deed::Kill(_) => send(dir, id, &pids, Signal::KILL)?,
        Deed::Freeze => send(dir, id, &pids, Signal::STOP)?,
        Deed::Thaw => send(dir, id, &pids, Signal::CONT)?,
    };
    if console.json {
        console.document(&Outcome { deed, id, pids })?;
    } else {
        let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
        console.line(format_args!("{deed} {id} (pid {})", list.join(", ")));
    }
    Ok(Exit::Ok)
}

/// The processes concerned, in the order in which they are signalled.
fn pids(inventory: &Inventory, deed: Deed, id: &str) -> Result<Vec<u32>, Problem> {
    if let Some(node) = inventory.mariadb.iter().find(|node| node.id == id) {
        let both = [node.agent_pid, node.pid];
        let wanted: Vec<Option<u32>> = match deed {
            Deed::Kill(KillScope::Server) => vec![node.pid],
            Deed::Kill(KillScope::Agent) => vec![node.agent_pid],
            Deed::Kill(KillScope::All) | Deed::Freeze | Deed::Restart => both.to_vec(),
            // The server first: what it does while its agent still sleeps reaches nobody.
            Deed::Thaw => both.into_iter().rev().collect(),
        };
        return Ok(wanted.into_iter().flatten().collect());
    }
    let supervisors = inventory.supervisors.iter().map(|it| (&it.id, it.pid));
    let routers = inventory.routers.iter().map(|it| (&it.id, it.pid));
    supervisors
        .chain(routers)
        .find(|(name, _)| *name == id)
        .map(|(_, pid)| pid.into_iter().collect())
        .ok_or_else(|| Problem::usage(format!("there is no process `{id}` in this lab"), names(inventory)))
}

fn names(inventory: &Inventory) -> String {
    let supervisors = inventory.supervisors.iter().map(|it| it.id.as_str());
    let nodes = inventory.mariadb.iter().map(|it| it.id.as_str());
    let routers = inventory.routers.iter().map(|it| it.id.as_str());
    let all: Vec<&str> = supervisors.chain(nodes).chain(routers).collect();
    format!("there are: {}", all.join(", "))
}

fn send(dir: &LabDir, id: &str, pids: &[u32], signal: Signal) -> Result<Vec<u32>, Problem> {
    let sent: Vec<u32> = pids
        .iter()
        .copied()
        .filter(|pid| process::signal(*pid, dir, signal))
        .collect();
    if sent.is_empty() {
        return Err(Problem::new(
            format!("{id} is not running now"),
            "see `quorate lab status`; the runner restarts what died after --restart-delay",
        ));
    }
    Ok(sent)
}
