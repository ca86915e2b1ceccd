//! A supervisor's configuration file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_api::tls::TlsFiles;
use quorate_model::{ClusterSpec, NodeId, NodeSpec, SupervisorId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod check;
mod policy;

pub use check::ConfigError;
pub use policy::{EmptyAckSetConfig, PolicyConfig, ReadFenceConfig};

/// Settings of `quorate supervise`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This supervisor's id; one of `peers`, and the name in its certificate.
    pub id: String,
    /// What is supervised. The same on every supervisor.
    pub cluster: ClusterConfig,
    /// All supervisors, this one included.
    pub peers: Vec<PeerConfig>,
    /// Where to listen.
    pub listen: ListenConfig,
    /// Folder of the Raft log and snapshots.
    pub data_dir: PathBuf,
    /// Certificates.
    pub tls: TlsFiles,
    /// JSON file with the REST API's tokens: a list of `{name, role, sha256}`.
    pub tokens_file: PathBuf,
    /// How fast the loss of the leading supervisor is noticed.
    #[serde(default)]
    pub raft_profile: RaftProfile,
}

/// The supervised cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// Id of the deployment; peers with another id are refused.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The MariaDB nodes by id.
    pub nodes: BTreeMap<String, NodeConfig>,
    /// How to decide.
    #[serde(default)]
    pub policy: PolicyConfig,
}

/// One MariaDB node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// `host:port` of its agent's door.
    pub door: String,
    /// Higher is preferred among equally advanced candidates; 0 never leads.
    #[serde(default = "default_priority")]
    pub priority: u32,
}

const fn default_priority() -> u32 {
    100
}

/// How fast the loss of the leading supervisor is noticed, against how long a stall is forgiven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RaftProfile {
    /// Quiet machines with fast disks.
    Fast,
    /// Under 0.7 s to a new leader; forgives a stall of 150 ms.
    #[default]
    Balanced,
    /// Shared machines and slow disks.
    Tolerant,
}

/// One supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Its id.
    pub id: String,
    /// `host:port` of its Raft listener.
    pub raft: String,
    /// `host:port` of its link listener.
    pub link: String,
    /// Base URL of its REST API, for example `https://10.0.0.1:7003`.
    pub api: String,
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// For other supervisors' Raft.
    pub raft: SocketAddr,
    /// For agents, routers and other supervisors.
    pub link: SocketAddr,
    /// For operators.
    pub api: SocketAddr,
}

impl From<RaftProfile> for quorate_raft::Profile {
    fn from(profile: RaftProfile) -> Self {
        match profile {
            RaftProfile::Fast => Self::Fast,
            RaftProfile::Balanced => Self::Balanced,
            RaftProfile::Tolerant => Self::Tolerant,
        }
    }
}

impl Config {
    /// The declared cluster.
    #[must_use]
    pub fn spec(&self) -> ClusterSpec {
        let node = |(id, node): (&String, &NodeConfig)| {
            (
                NodeId::new(id),
                NodeSpec {
                    door: node.door.clone(),
                    priority: node.priority,
                },
            )
        };
        ClusterSpec {
            cluster: self.cluster.id.as_str().into(),
            name: self.cluster.name.clone(),
            nodes: self.cluster.nodes.iter().map(node).collect(),
            policy: self.cluster.policy.policy(),
        }
    }

    /// This supervisor's id.
    #[must_use]
    pub fn me(&self) -> SupervisorId {
        SupervisorId::new(&self.id)
    }
}
