//! `lab.json`, as the lab's runner keeps it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The parts of `lab.json` that a harness needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Info {
    /// Accounts by name (`app`, `admin`).
    pub accounts: BTreeMap<String, Account>,
    /// The supervisors.
    pub supervisors: Vec<Supervisor>,
    /// The MariaDB nodes.
    pub mariadb: Vec<Node>,
    /// The routers.
    pub routers: Vec<Router>,
}

/// A database account.
#[derive(Clone, Deserialize)]
pub struct Account {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A supervisor process.
#[derive(Debug, Clone, Deserialize)]
pub struct Supervisor {
    /// For example `s1`.
    pub id: String,
    /// Its process; none while it is down.
    pub pid: Option<i32>,
}

/// An agent with its server.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    /// For example `m1`.
    pub id: String,
    /// The `mariadbd`; none while it is down.
    pub pid: Option<i32>,
    /// The agent; none while it is down.
    pub agent_pid: Option<i32>,
    /// `host:port` of the door.
    pub door: String,
    /// `host:port` for plain clients that go round the router; open while the node leads.
    pub direct: String,
    /// The server's unix socket.
    pub socket: PathBuf,
}

/// A router process.
#[derive(Debug, Clone, Deserialize)]
pub struct Router {
    /// For example `r1`.
    pub id: String,
    /// Its process; none while it is down.
    pub pid: Option<i32>,
    /// `host:port` for writes.
    pub rw: String,
    /// `host:port` for reads.
    pub ro: String,
    /// `host:port` of the connection level.
    pub tunnel: String,
}

impl Info {
    /// A node by id.
    ///
    /// # Errors
    /// If there is none.
    pub fn node(&self, id: &str) -> anyhow::Result<&Node> {
        self.mariadb
            .iter()
            .find(|node| node.id == id)
            .ok_or_else(|| anyhow::anyhow!("no node `{id}` in the lab"))
    }

    /// A supervisor by id.
    ///
    /// # Errors
    /// If there is none.
    pub fn supervisor(&self, id: &str) -> anyhow::Result<&Supervisor> {
        self.supervisors
            .iter()
            .find(|supervisor| supervisor.id == id)
            .ok_or_else(|| anyhow::anyhow!("no supervisor `{id}` in the lab"))
    }

    /// A router by id.
    ///
    /// # Errors
    /// If there is none.
    pub fn router(&self, id: &str) -> anyhow::Result<&Router> {
        self.routers
            .iter()
            .find(|router| router.id == id)
            .ok_or_else(|| anyhow::anyhow!("no router `{id}` in the lab"))
    }
}
