//! `lab.json`: who runs where, under which pid. Written by the runner only, read by everything else.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::dir::LabDir;
use super::process;
use crate::output::Problem;

/// Version of the file's layout.
const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inventory {
    /// Layout version.
    pub(crate) version: u32,
    /// The cluster's id.
    pub(crate) cluster: String,
    /// The runner's pid.
    pub(crate) runner_pid: u32,
    /// Bearer token with every right.
    pub(crate) token_file: PathBuf,
    /// Root certificate of the supervisors' API.
    pub(crate) ca: PathBuf,
    /// MariaDB accounts for play.
    pub(crate) accounts: Accounts,
    /// The supervisors.
    pub(crate) supervisors: Vec<SupervisorEntry>,
    /// The MariaDB nodes.
    pub(crate) mariadb: Vec<NodeEntry>,
    /// The routers.
    pub(crate) routers: Vec<RouterEntry>,
}

/// MariaDB accounts for play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// May create and use database `app`.
    pub(crate) app: AccountEntry,
    /// For people who look around.
    pub(crate) admin: AccountEntry,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountEntry {
    /// User name.
    pub(crate) user: String,
    /// Its password: the file is private, and the lab is for play.
    pub(crate) password: String,
}

/// One supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SupervisorEntry {
    /// Its id.
    pub(crate) id: String,
    /// Its process, while it runs.
    pub(crate) pid: Option<u32>,
    /// URL of its REST API.
    pub(crate) api: String,
    /// Where agents and routers connect.
    pub(crate) link: String,
    /// Where the other voters connect.
    pub(crate) raft: String,
}

/// One MariaDB node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeEntry {
    /// Its id.
    pub(crate) id: String,
    /// `mariadbd`, while it runs.
    pub(crate) pid: Option<u32>,
    /// Its agent, while it runs.
    pub(crate) agent_pid: Option<u32>,
    /// The agent's door.
    pub(crate) door: String,
    /// Where plain clients reach the server without a router, if it leads: the door, which in a lab takes whoever is silent
    /// at first for a plain client.
    pub(crate) direct: String,
    /// The server's unix socket.
    pub(crate) socket: PathBuf,
    /// The server's data directory.
    pub(crate) datadir: PathBuf,
}

/// One router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouterEntry {
    /// Its id.
    pub(crate) id: String,
    /// Its process, while it runs.
    pub(crate) pid: Option<u32>,
    /// Address for writes.
    pub(crate) rw: String,
    /// Address for reads.
    pub(crate) ro: String,
    /// Address of the connection level, for reads and writes.
    pub(crate) tunnel: String,
}

impl Inventory {
    /// The current layout version.
    pub(crate) const fn version() -> u32 {
        VERSION
    }

    /// Reads a lab's inventory; none if the lab is not up.
    pub(crate) fn load(dir: &LabDir) -> anyhow::Result<Option<Self>> {
        let path = dir.inventory();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(
                    Problem::new(format!("cannot read `{}`", path.display()), "check its permissions")
                        .because(error)
                        .into(),
                );
            }
        };
        let inventory = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(
                format!("`{}` is damaged", path.display()),
                "stop the lab with `quorate lab down` and start it anew",
            )
            .because(error)
        })?;
        Ok(Some(inventory))
    }

    /// Reads the inventory of a lab that must be up.
    pub(crate) fn require(dir: &LabDir) -> anyhow::Result<Self> {
        Self::load(dir)?.ok_or_else(|| {
            Problem::usage(
                format!("there is no running lab in `{}`", dir.path().display()),
                "start one with `quorate lab up --dir DIR --detach`, or name another with --lab DIR or QUORATE_LAB",
            )
            .into()
        })
    }

    /// Base URLs of the supervisors' REST API.
    pub(crate) fn apis(&self) -> Vec<String> {
        self.supervisors.iter().map(|it| it.api.clone()).collect()
    }

    /// Processes that do not run now, servers aside.
    pub(crate) fn missing(&self) -> Vec<&str> {
        let supervisors = self.supervisors.iter().map(|it| (&it.id, it.pid));
        let agents = self.mariadb.iter().map(|it| (&it.id, it.agent_pid));
        let routers = self.routers.iter().map(|it| (&it.id, it.pid));
        let all = supervisors.chain(agents).chain(routers);
        all.filter(|(_, pid)| pid.is_none())
            .map(|(id, _)| id.as_str())
            .collect()
    }

    /// Whether its runner is alive.
    pub(crate) fn is_live(&self, dir: &LabDir) -> bool {
        process::is_runner(self.runner_pid, dir)
    }

    /// Replaces the file: readers see the old or the new one, whole.
    pub(crate) fn save(&self, dir: &LabDir) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("encoding lab.json")?;
        replace_private(&dir.inventory(), &text)
    }
}

/// Writes a file that only this user may read, by writing a draft and renaming it.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let draft = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(content)?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| {
        Problem::new(
            format!("cannot write `{}`", path.display()),
            "check the free space and the permissions of the lab's folder",
        )
        .because(error)
        .into()
    })
}
