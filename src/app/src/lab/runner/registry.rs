//! The runner's view of who runs where, kept in `lab.json`.

use std::fs;

use super::slot::SlotEvent;
use crate::lab::accounts;
use crate::lab::create::TOKEN;
use crate::lab::dir::LabDir;
use crate::lab::inventory::{Accounts, Inventory, NodeEntry, RouterEntry, SupervisorEntry};
use crate::lab::process;
use crate::lab::spec::LabSpec;

/// Owns `lab.json`.
#[derive(Debug)]
pub(super) struct Registry {
    dir: LabDir,
    inventory: Inventory,
}

impl Registry {
    /// Nobody runs yet.
    pub(super) fn new(dir: &LabDir, spec: &LabSpec) -> anyhow::Result<Self> {
        let supervisors = spec.supervisor_ports().into_iter().map(|it| SupervisorEntry {
            id: it.id,
            pid: None,
            api: format!("https://{}", it.api),
            link: it.link,
            raft: it.raft,
        });
        let mariadb = spec.node_ports().into_iter().map(|it| NodeEntry {
            pid: None,
            agent_pid: None,
            direct: it.door.clone(),
            door: it.door,
            socket: dir.socket(&it.id),
            datadir: dir.data(&it.id).join("data"),
            id: it.id,
        });
        let routers = spec.router_ports().into_iter().map(|it| RouterEntry {
            id: it.id,
            pid: None,
            rw: it.rw,
            ro: it.ro,
            tunnel: it.tunnel,
        });
        let inventory = Inventory {
            version: Inventory::version(),
            cluster: spec.cluster.clone(),
            runner_pid: std::process::id(),
            token_file: dir.secret(TOKEN),
            ca: dir.pki().join(quorate_api::pki::CA_CERT),
            accounts: Accounts {
                app: accounts::read(dir, accounts::APP)?,
                admin: accounts::read(dir, accounts::ADMIN)?,
            },
            supervisors: supervisors.collect(),
            mariadb: mariadb.collect(),
            routers: routers.collect(),
        };
        Ok(Self {
            dir: dir.clone(),
            inventory,
        })
    }

    /// Notes a start or an end.
    pub(super) fn note(&mut self, event: &SlotEvent) -> anyhow::Result<()> {
        let before = self.inventory.clone();
        for supervisor in &mut self.inventory.supervisors {
            if supervisor.id == event.id {
                supervisor.pid = event.pid;
            }
        }
        for router in &mut self.inventory.routers {
            if router.id == event.id {
                router.pid = event.pid;
            }
        }
        for node in &mut self.inventory.mariadb {
            if node.id == event.id {
                node.agent_pid = event.pid;
                node.pid = None;
            }
        }
        self.save_if_changed(&before)
    }

    /// Looks up the servers' pids.
    pub(super) fn look(&mut self) -> anyhow::Result<()> {
        let before = self.inventory.clone();
        for node in &mut self.inventory.mariadb {
            node.pid = node.agent_pid.and_then(|agent| match node.pid {
                Some(server) if process::is_child(server, agent) => Some(server),
                _ => process::server_of(agent),
            });
        }
        self.save_if_changed(&before)
    }

    /// Writes the file.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        self.inventory.save(&self.dir)
    }

    /// The lab is down: no file.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(self.dir.inventory());
    }

    fn save_if_changed(&self, before: &Inventory) -> anyhow::Result<()> {
        if self.inventory == *before {
            return Ok(());
        }
        self.save()
    }
}
