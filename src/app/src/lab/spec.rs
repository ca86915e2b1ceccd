//! How a lab is laid out: who there is and on which ports. Kept in `DIR/spec.json`, so that `lab up` can resume.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dir::LabDir;
use super::ports;
use crate::output::Problem;

/// Supervisors in a lab.
pub(crate) const SUPERVISORS: u16 = 3;
/// Most MariaDB nodes in a lab: more would not teach anything new.
pub(crate) const MARIADB_MAX: u16 = 9;

const PORTS_PER_SUPERVISOR: u16 = 3;
const PORTS_PER_NODE: u16 = 2;
const PORTS_PER_ROUTER: u16 = 3;

/// When a process that died is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RestartDelay {
    /// After this long; longer while it keeps dying.
    After(Duration),
    /// Only on request.
    Never,
}

impl FromStr for RestartDelay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let wrong = || format!("`{text}` is no delay: write for example 1s, 250ms or never");
        let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match unit {
            "ms" => Ok(Self::After(Duration::from_millis(number))),
            "s" => Ok(Self::After(Duration::from_secs(number))),
            _ => Err(wrong()),
        }
    }
}

/// The layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LabSpec {
    /// Cluster id, unique to this lab: processes of another lab are refused.
    pub(crate) cluster: String,
    /// First port.
    pub(crate) base_port: u16,
    /// How many MariaDB nodes.
    pub(crate) mariadb: u16,
    /// How many routers.
    pub(crate) routers: u16,
    /// When the dead are restarted.
    pub(crate) restart: RestartDelay,
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `quorate supervise`
    Supervisor,
    /// `quorate agent`
    Agent,
    /// `quorate route`
    Router,
}

impl Kind {
    /// The verb that runs it.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Supervisor => "supervise",
            Self::Agent => "agent",
            Self::Router => "route",
        }
    }
}

/// A supervisor's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SupervisorPorts {
    /// Its id.
    pub(crate) id: String,
    /// Between voters.
    pub(crate) raft: String,
    /// For agents and routers.
    pub(crate) link: String,
    /// For people.
    pub(crate) api: String,
}

/// A node's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodePorts {
    /// Its id.
    pub(crate) id: String,
    /// The agent's door.
    pub(crate) door: String,
    /// Where its server finds the primary.
    pub(crate) relay: String,
}

/// A router's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouterPorts {
    /// Its id.
    pub(crate) id: String,
    /// For writes.
    pub(crate) rw: String,
    /// For reads.
    pub(crate) ro: String,
    /// For reads and writes at connection level.
    pub(crate) tunnel: String,
}

impl LabSpec {
    /// How many ports a layout takes.
    pub(crate) const fn port_count(mariadb: u16, routers: u16) -> u16 {
        SUPERVISORS * PORTS_PER_SUPERVISOR + mariadb * PORTS_PER_NODE + routers * PORTS_PER_ROUTER
    }

    /// Checks that all its ports are free.
    pub(crate) fn check_ports(&self) -> Result<(), Problem> {
        ports::check_block(self.base_port, Self::port_count(self.mariadb, self.routers))
    }

    /// The routers, first in the block: theirs are the addresses that people type.
    pub(crate) fn router_ports(&self) -> Vec<RouterPorts> {
        (0..self.routers)
            .map(|nth| {
                let first = self.base_port + nth * PORTS_PER_ROUTER;
                RouterPorts {
                    id: format!("r{}", nth + 1),
                    rw: loopback(first),
                    ro: loopback(first + 1),
                    tunnel: loopback(first + 2),
                }
            })
            .collect()
    }

    /// The supervisors.
    pub(crate) fn supervisor_ports(&self) -> Vec<SupervisorPorts> {
        let base = self.base_port + self.routers * PORTS_PER_ROUTER;
        (0..SUPERVISORS)
            .map(|nth| {
                let first = base + nth * PORTS_PER_SUPERVISOR;
                SupervisorPorts {
                    id: format!("s{}", nth + 1),
                    api: loopback(first),
                    link: loopback(first + 1),
                    raft: loopback(first + 2),
                }
            })
            .collect()
    }

    /// The MariaDB nodes.
    pub(crate) fn node_ports(&self) -> Vec<NodePorts> {
        let base = self.base_port + self.routers * PORTS_PER_ROUTER + SUPERVISORS * PORTS_PER_SUPERVISOR;
        (0..self.mariadb)
            .map(|nth| {
                let first = base + nth * PORTS_PER_NODE;
                NodePorts {
                    id: format!("m{}", nth + 1),
                    door: loopback(first),
                    relay: loopback(first + 1),
                }
            })
            .collect()
    }

    /// Every process, in the order in which they are started.
    pub(crate) fn processes(&self) -> Vec<(String, Kind)> {
        let supervisors = self.supervisor_ports().into_iter().map(|it| (it.id, Kind::Supervisor));
        let agents = self.node_ports().into_iter().map(|it| (it.id, Kind::Agent));
        let routers = self.router_ports().into_iter().map(|it| (it.id, Kind::Router));
        supervisors.chain(agents).chain(routers).collect()
    }

    /// Reads the layout of an existing lab; none if there is none.
    pub(crate) fn load(dir: &LabDir) -> anyhow::Result<Option<Self>> {
        let path = dir.spec();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|error| {
                Problem::new(
                    format!("`{}` is damaged", path.display()),
                    "delete the lab's folder or choose another with --dir",
                )
                .because(error)
            })?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::new(
                format!("cannot read `{}`", path.display()),
                "check its permissions, or choose another folder with --dir",
            )
            .because(error)
            .into()),
        }
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_address_is_unique_and_within_the_block() {
        let spec = LabSpec {
            cluster: "lab".to_owned(),
            base_port: 17_000,
            mariadb: 3,
            routers: 1,
            restart: RestartDelay::Never,
        };
        let mut all: Vec<String> = Vec::new();
        all.extend(spec.router_ports().into_iter().flat_map(|it| [it.rw, it.ro, it.tunnel]));
        all.extend(
            spec.supervisor_ports()
                .into_iter()
                .flat_map(|it| [it.api, it.link, it.raft]),
        );
        all.extend(spec.node_ports().into_iter().flat_map(|it| [it.door, it.relay]));
        let count = LabSpec::port_count(3, 1);
        let wanted: BTreeSet<String> = (17_000..17_000 + count).map(loopback).collect();
        assert_eq!(all.len(), wanted.len());
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), wanted);
    }

    #[test]
    fn delays_are_read() {
        assert_eq!("1s".parse(), Ok(RestartDelay::After(Duration::from_secs(1))));
        assert_eq!("250ms".parse(), Ok(RestartDelay::After(Duration::from_millis(250))));
        assert_eq!("never".parse(), Ok(RestartDelay::Never));
        assert!("1".parse::<RestartDelay>().is_err());
        assert!("1h".parse::<RestartDelay>().is_err());
    }
}
