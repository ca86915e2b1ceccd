//! A supervisor's configuration file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use quorate_api::tls::TlsFiles;
use quorate_model::{ClusterSpec, EmptyAckSet, NodeId, NodeSpec, Policy, ReadFence, SupervisorId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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

/// How to decide. Everything has a default that suits one site with local disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Lease of a primary's door for clients.
    pub lease_ttl_ms: u64,
    /// Least silence before a primary is suspected.
    pub silence_floor_ms: u64,
    /// Most silence before a primary is suspected.
    pub silence_cap_ms: u64,
    /// How long the commit path may be stuck, with the replicas cut off, before a failover.
    pub stuck_commit_ms: u64,
    /// How long the primary's disk may take no write before a failover.
    pub stalled_disk_ms: u64,
    /// How long a replica may miss before it leaves the ack set.
    pub replica_patience_ms: u64,
    /// Longest freeze of commits in a switchover; then it is aborted.
    pub freeze_limit_ms: u64,
    /// How long a router may be away before it is forgotten.
    pub router_patience_ms: u64,
    /// Failovers on mere silence allowed in ten minutes.
    pub flap_budget: u32,
    /// When no replica can acknowledge: `block` commits, or `degrade` to unprotected ones.
    pub empty_ack_set: EmptyAckSetConfig,
    /// When a new primary may serve: `strict` waits for a proof that no one reads from the old one, `bounded` does not.
    pub read_fence: ReadFenceConfig,
}

/// When no replica can acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyAckSetConfig {
    /// Commits wait: nothing acknowledged can be lost.
    Block,
    /// Commits go on unprotected.
    Degrade,
}

/// When a new primary may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadFenceConfig {
    /// After a proof that no one reads from the old one.
    Strict,
    /// At once: a reader of the old primary may see data up to one lease old.
    Bounded,
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

/// The settings contradict each other.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The own id is missing among the peers.
    #[error("id `{0}` is not among `peers`; list every supervisor there, this one included")]
    NotAPeer(String),
    /// Two things share a name or an address.
    #[error("{field}: `{value}` is used twice; each needs its own")]
    Duplicate {
        /// Where.
        field: &'static str,
        /// What.
        value: String,
    },
    /// Not `host:port`.
    #[error("{field}: `{value}` is not `host:port`")]
    Address {
        /// Where.
        field: String,
        /// What.
        value: String,
    },
    /// Not a base URL.
    #[error("peers: api `{0}` is not a base URL such as `https://10.0.0.1:7003`")]
    Url(String),
    /// A name that cannot stand in a certificate.
    #[error("{field}: `{value}` is not a name; use 1 to 63 of a-z, 0-9 and `-`, starting with a letter")]
    Name {
        /// Where.
        field: &'static str,
        /// What.
        value: String,
    },
    /// Nothing to supervise.
    #[error("cluster.nodes is empty; name at least one MariaDB node")]
    NoNodes,
    /// Nobody may lead.
    #[error("cluster.nodes: every priority is 0, so no node may lead; give one a higher priority")]
    NoCandidate,
    /// A duration makes no sense.
    #[error("cluster.policy.{field} is {value}; {rule}")]
    Policy {
        /// Which.
        field: &'static str,
        /// Its value in milliseconds.
        value: u64,
        /// What it must be.
        rule: &'static str,
    },
}

impl Default for PolicyConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            lease_ttl_ms: millis(policy.lease_ttl),
            silence_floor_ms: millis(policy.silence_floor),
            silence_cap_ms: millis(policy.silence_cap),
            stuck_commit_ms: millis(policy.stuck_commit),
            stalled_disk_ms: millis(policy.stalled_disk),
            replica_patience_ms: millis(policy.replica_patience),
            freeze_limit_ms: millis(policy.freeze_limit),
            router_patience_ms: millis(policy.router_patience),
            flap_budget: policy.flap_budget,
            empty_ack_set: EmptyAckSetConfig::Block,
            read_fence: ReadFenceConfig::Strict,
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl PolicyConfig {
    fn policy(&self) -> Policy {
        Policy {
            lease_ttl: Duration::from_millis(self.lease_ttl_ms),
            silence_floor: Duration::from_millis(self.silence_floor_ms),
            silence_cap: Duration::from_millis(self.silence_cap_ms),
            stuck_commit: Duration::from_millis(self.stuck_commit_ms),
            stalled_disk: Duration::from_millis(self.stalled_disk_ms),
            replica_patience: Duration::from_millis(self.replica_patience_ms),
            freeze_limit: Duration::from_millis(self.freeze_limit_ms),
            router_patience: Duration::from_millis(self.router_patience_ms),
            flap_budget: self.flap_budget,
            empty_ack_set: match self.empty_ack_set {
                EmptyAckSetConfig::Block => EmptyAckSet::Block,
                EmptyAckSetConfig::Degrade => EmptyAckSet::Degrade,
            },
            read_fence: match self.read_fence {
                ReadFenceConfig::Strict => ReadFence::Strict,
                ReadFenceConfig::Bounded => ReadFence::Bounded,
            },
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let at_least = |field, value, least, rule| {
            if value < least {
                Err(ConfigError::Policy { field, value, rule })
            } else {
                Ok(())
            }
        };
        at_least(
            "lease_ttl_ms",
            self.lease_ttl_ms,
            500,
            "use at least 500, or short stalls close the door",
        )?;
        at_least(
            "silence_floor_ms",
            self.silence_floor_ms,
            300,
            "use at least 300, or short stalls cause failovers",
        )?;
        at_least(
            "silence_cap_ms",
            self.silence_cap_ms,
            self.silence_floor_ms,
            "use at least silence_floor_ms",
        )?;
        at_least(
            "freeze_limit_ms",
            self.freeze_limit_ms,
            50,
            "use at least 50, or no switchover succeeds",
        )?;
        at_least("replica_patience_ms", self.replica_patience_ms, 200, "use at least 200")
    }
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
    /// Checks the settings as a whole.
    ///
    /// # Errors
    /// Names the field that is wrong and what to write instead.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.peers.iter().any(|peer| peer.id == self.id) {
            return Err(ConfigError::NotAPeer(self.id.clone()));
        }
        let mut used = BTreeSet::new();
        for peer in &self.peers {
            check_name("peers: id", &peer.id)?;
            check_address("peers: raft", &peer.raft)?;
            check_address("peers: link", &peer.link)?;
            let host = peer.api.strip_prefix("https://").unwrap_or_default();
            check_address("peers: api", host).map_err(|_| ConfigError::Url(peer.api.clone()))?;
            for value in [&peer.id, &peer.raft, &peer.link, &peer.api] {
                if !used.insert(value.clone()) {
                    return Err(ConfigError::Duplicate {
                        field: "peers",
                        value: value.clone(),
                    });
                }
            }
        }
        check_name("cluster.id", &self.cluster.id)?;
        let mut doors = BTreeSet::new();
        for (id, node) in &self.cluster.nodes {
            check_name("cluster.nodes", id)?;
            check_address(&format!("cluster.nodes.{id}.door"), &node.door)?;
            if !doors.insert(&node.door) {
                return Err(ConfigError::Duplicate {
                    field: "cluster.nodes: door",
                    value: node.door.clone(),
                });
            }
        }
        if self.cluster.nodes.is_empty() {
            return Err(ConfigError::NoNodes);
        }
        if self.cluster.nodes.values().all(|node| node.priority == 0) {
            return Err(ConfigError::NoCandidate);
        }
        self.cluster.policy.check()
    }

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

fn check_name(field: &'static str, value: &str) -> Result<(), ConfigError> {
    let letters = value
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let begins = value.starts_with(|first: char| first.is_ascii_lowercase());
    if letters && begins && value.len() <= 63 {
        return Ok(());
    }
    Err(ConfigError::Name {
        field,
        value: value.to_owned(),
    })
}

fn check_address(field: &str, value: &str) -> Result<(), ConfigError> {
    let parts = value.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match parts.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) if port > 0 => Ok(()),
        _ => Err(ConfigError::Address {
            field: field.to_owned(),
            value: value.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json() -> serde_json::Value {
        let peer = |n: u16| {
            let (raft, link) = (format!("127.0.0.1:{}", 7000 + n), format!("127.0.0.1:{}", 7100 + n));
            serde_json::json!({"id": format!("s{n}"), "raft": raft, "link": link, "api": format!("https://127.0.0.1:{}", 7200 + n)})
        };
        serde_json::json!({
            "id": "s1",
            "cluster": {"id": "lab", "name": "the lab", "nodes": {"m1": {"door": "127.0.0.1:7301"}}},
            "peers": [peer(1), peer(2), peer(3)],
            "listen": {"raft": "127.0.0.1:7001", "link": "127.0.0.1:7101", "api": "127.0.0.1:7201"},
            "data_dir": "/var/lib/quorate",
            "tls": {"ca": "ca.crt", "cert": "s1.crt", "key": "s1.key"},
            "tokens_file": "tokens.json",
        })
    }

    #[test]
    fn defaults_are_the_models() {
        let config: Config = serde_json::from_value(json()).unwrap();
        config.check().unwrap();
        assert_eq!(config.spec().policy, Policy::default());
        assert_eq!(config.spec().nodes[&NodeId::from("m1")].priority, 100);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut typo = json();
        typo["cluster"]["policy"]["leese_ttl_ms"] = 1.into();
        assert!(
            serde_json::from_value::<Config>(typo)
                .unwrap_err()
                .to_string()
                .contains("leese_ttl_ms")
        );
    }

    #[test]
    fn contradictions_are_named() {
        for (path, value, word) in [
            ("/id", serde_json::json!("s9"), "`s9` is not among"),
            ("/peers/1/id", "s1".into(), "twice"),
            ("/peers/0/link", "nowhere".into(), "peers: link"),
            ("/peers/0/api", "127.0.0.1:1".into(), "base URL"),
            ("/cluster/id", "The Lab".into(), "cluster.id"),
            ("/cluster/nodes", serde_json::json!({}), "cluster.nodes is empty"),
            (
                "/cluster/nodes/m1",
                serde_json::json!({"door": "a:1", "priority": 0}),
                "priority",
            ),
            ("/cluster/nodes/m1/door", "a".into(), "cluster.nodes.m1.door"),
        ] {
            let mut wrong = json();
            *wrong.pointer_mut(path).unwrap() = value;
            let config: Config = serde_json::from_value(wrong).unwrap();
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(word), "{path}: {error}");
        }
    }
}
