//! The configurations of a lab's processes, as their own types.

use std::collections::BTreeMap;

use anyhow::Context as _;
use quorate_agent as agent;
use quorate_api::tls::TlsFiles;
use quorate_supervisor::config::{ClusterConfig, ListenConfig, NodeConfig, PeerConfig, PolicyConfig, RaftProfile};

use super::create::TOKENS;
use super::dir::LabDir;
use super::spec::LabSpec;

/// `server_id` of m1; the others follow.
const FIRST_SERVER_ID: u32 = 11;
/// Connections that doors and routers take: enough for ten thousand idle sessions of a benchmark.
const CONNECTIONS_MAX: u16 = 16_384;

/// Makes configurations for one lab.
#[derive(Debug)]
pub(super) struct Configs<'a> {
    dir: &'a LabDir,
    spec: &'a LabSpec,
}

impl<'a> Configs<'a> {
    pub(super) const fn new(dir: &'a LabDir, spec: &'a LabSpec) -> Self {
        Self { dir, spec }
    }

    /// A supervisor's.
    pub(super) fn supervisor(&self, id: &str, tls: TlsFiles) -> anyhow::Result<quorate_supervisor::Config> {
        let all = self.spec.supervisor_ports();
        let own = all.iter().find(|it| it.id == id).context("an unknown supervisor")?;
        let listen = ListenConfig {
            raft: own.raft.parse()?,
            link: own.link.parse()?,
            api: own.api.parse()?,
        };
        let peers = all.iter().map(|it| PeerConfig {
            id: it.id.clone(),
            raft: it.raft.clone(),
            link: it.link.clone(),
            api: format!("https://{}", it.api),
        });
        let nodes = self.spec.node_ports().into_iter().map(|it| {
            (
                it.id,
                NodeConfig {
                    door: it.door,
                    priority: 100,
                },
            )
        });
        Ok(quorate_supervisor::Config {
            id: id.to_owned(),
            cluster: ClusterConfig {
                id: self.spec.cluster.clone(),
                name: "lab".to_owned(),
                nodes: nodes.collect(),
                policy: PolicyConfig::default(),
            },
            peers: peers.collect(),
            listen,
            data_dir: self.dir.data(id),
            tls,
            tokens_file: self.dir.secret(TOKENS),
            raft_profile: RaftProfile::default(),
        })
    }

    /// An agent's.
    pub(super) fn agent(&self, id: &str, tls: TlsFiles) -> anyhow::Result<agent::Config> {
        let ports = self.spec.node_ports();
        let (nth, own) = ports
            .iter()
            .enumerate()
            .find(|(_, it)| it.id == id)
            .context("an unknown node")?;
        let supervisors = self.links().into_values().map(|address| agent::Supervisor { address });
        Ok(agent::Config {
            node: id.to_owned(),
            cluster: self.spec.cluster.clone(),
            supervisors: supervisors.collect(),
            door: agent::Door {
                listen: own.door.parse()?,
                direct_clients: true,
                connections_max: CONNECTIONS_MAX.into(),
            },
            relay: agent::Relay {
                listen: own.relay.parse()?,
            },
            server: agent::Server {
                home: self.dir.data(id),
                socket: Some(self.dir.socket(id)),
                server_id: FIRST_SERVER_ID + u32::try_from(nth)?,
                mariadbd: None,
                install_db: None,
                run_as: None,
                include: None,
                template: Some(self.dir.template()),
                sizes: agent::Sizes::default(),
            },
            tls,
            secrets_dir: self.dir.secrets(),
            metrics: None,
            timing: agent::Timing::default(),
        })
    }

    /// A router's.
    pub(super) fn router(&self, id: &str, tls: TlsFiles) -> anyhow::Result<quorate_router::Config> {
        let ports = self.spec.router_ports();
        let own = ports.iter().find(|it| it.id == id).context("an unknown router")?;
        Ok(quorate_router::Config {
            router: id.into(),
            cluster: self.spec.cluster.as_str().into(),
            supervisors: self
                .links()
                .into_iter()
                .map(|(id, link)| (id.as_str().into(), link))
                .collect(),
            listen: quorate_router::Listen {
                rw: own.rw.parse()?,
                ro: own.ro.parse()?,
                tunnel: Some(own.tunnel.parse()?),
                admin: None,
                proxy_from: Vec::new(),
            },
            tls,
            state_file: self.dir.data(id).join("routes.json"),
            threads: 1,
            limits: quorate_router::Limits {
                max_connections: CONNECTIONS_MAX.into(),
                ..quorate_router::Limits::default()
            },
            reads: quorate_router::Reads::default(),
            pool: quorate_router::Pooling::default(),
            service: Some(quorate_router::ServiceAccount::usual(self.dir.secret("router"))),
            credentials_file: None,
            client_tls: None,
            server: quorate_router::ServerSide::default(),
            local_infile: true,
        })
    }

    fn links(&self) -> BTreeMap<String, String> {
        self.spec
            .supervisor_ports()
            .into_iter()
            .map(|it| (it.id, it.link))
            .collect()
    }
}
