//! The agent's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use quorate_api::tls::TlsFiles;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::Settings;

/// Configuration of `quorate agent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node, for example `m1`; also the name in its certificate.
    pub node: String,
    /// The cluster id; peers and data directories of another cluster are refused.
    pub cluster: String,
    /// Every supervisor.
    pub supervisors: Vec<Supervisor>,
    /// Where routers, other agents and (if allowed) plain clients come in.
    pub door: Door,
    /// Where this node's own receiving thread is served: a loopback address.
    pub relay: Relay,
    /// The server and its files.
    pub server: Server,
    /// Certificates of this agent.
    pub tls: TlsFiles,
    /// Folder with the password files `agent`, `replication`, `admin`, `app` and `router`, the same on every node. Without
    /// `router`, routers carry connections through `tunnel` only.
    pub secrets_dir: PathBuf,
    /// Health and metrics over plain HTTP; none unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Intervals and limits.
    #[serde(default)]
    pub timing: Timing,
}

/// A supervisor's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Supervisor {
    /// `host:port` of its link listener.
    pub address: String,
}

/// The door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Admit MySQL clients that speak no TLS and name no router. For laboratories: such a client is part of no promise
    /// about reads.
    #[serde(default)]
    pub direct_clients: bool,
    /// Most connections at once, of all kinds.
    #[serde(default = "default_connections")]
    pub connections_max: u32,
}

const fn default_connections() -> u32 {
    4096
}

/// The relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Loopback address to listen on.
    pub listen: SocketAddr,
}

/// The server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Folder below which everything of this node is kept: `data/`, the configuration, logs and the agent's memory.
    /// On the volume that holds the data, and not the mount point's own `data`.
    pub home: PathBuf,
    /// The server's unix socket; `mariadbd.sock` in `home` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// `server_id` for a new data directory; unique in the cluster, and never used again after a rebuild.
    pub server_id: u32,
    /// Path of `mariadbd`; looked for in the usual places unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mariadbd: Option<PathBuf>,
    /// Path of `mariadb-install-db`; looked for in the usual places unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_db: Option<PathBuf>,
    /// The system user that runs the server; the agent's own unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// A configuration file that is read before the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<PathBuf>,
    /// A freshly initialised data directory (same secrets, never started) to copy instead of initialising again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PathBuf>,
    /// Sizes.
    #[serde(default)]
    pub sizes: Sizes,
}

/// Sizes of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sizes {
    /// `innodb_buffer_pool_size` in MiB.
    pub buffer_pool_mib: u32,
    /// `innodb_log_file_size` in MiB.
    pub redo_log_mib: u32,
    /// `max_connections`.
    pub connections_max: u32,
    /// `max_binlog_size` in MiB.
    pub binlog_mib: u32,
    /// Days that binlogs are kept for replicas that are away.
    pub binlog_days: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            buffer_pool_mib: 48,
            redo_log_mib: 32,
            connections_max: 500,
            binlog_mib: 64,
            binlog_days: 7,
        }
    }
}

/// Health and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address to listen on.
    pub listen: SocketAddr,
}

/// Intervals and limits, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Longest time between two reports.
    pub report_ms: u64,
    /// Lease that this node gives to its primary while the supervisors are silent: the policy's `lease_ttl_ms`.
    pub failsafe_ttl_ms: u64,
    /// Silence of the supervisors after which a primary asks its replicas for a lease.
    pub failsafe_after_ms: u64,
    /// How long a planned stop waits for another node to take over.
    pub handover_wait_ms: u64,
    /// A dead server is started again after this if nobody ordered anything.
    pub restart_after_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            report_ms: 100,
            failsafe_ttl_ms: 1500,
            failsafe_after_ms: 500,
            handover_wait_ms: 10_000,
            restart_after_ms: 5_000,
        }
    }
}

impl Timing {
    /// For the machine.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let failsafe_ttl = Duration::from_millis(self.failsafe_ttl_ms);
        let policy = quorate_model::Policy {
            lease_ttl: failsafe_ttl,
            ..quorate_model::Policy::default()
        };
        Settings {
            report_every: Duration::from_millis(self.report_ms),
            failsafe_ttl,
            failsafe_wait: policy.lease_wait(),
            failsafe_after: Duration::from_millis(self.failsafe_after_ms),
            handover_wait: Duration::from_millis(self.handover_wait_ms),
            restart_after: Duration::from_millis(self.restart_after_ms),
            ..Settings::default()
        }
    }
}

impl Config {
    /// What parsing cannot see: each complaint names the field.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        let label = |text: &str| {
            !text.is_empty() && text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        for (field, value) in [("node", &self.node), ("cluster", &self.cluster)] {
            if !label(value) {
                found.push(format!("{field}: `{value}` must be 1 to 63 letters, digits or `-`"));
            }
        }
        if self.supervisors.is_empty() {
            found.push("supervisors: name at least one".to_owned());
        }
        for (i, supervisor) in self.supervisors.iter().enumerate() {
            if !supervisor.address.contains(':') {
                let address = &supervisor.address;
                found.push(format!("supervisors[{i}].address: `{address}` must be `host:port`"));
            }
        }
        if !self.relay.listen.ip().is_loopback() {
            let listen = self.relay.listen;
            found.push(format!(
                "relay.listen: {listen} is not a loopback address; only this node's server may dial it"
            ));
        }
        if self.server.server_id == 0 {
            found.push("server.server_id: must not be 0".to_owned());
        }
        for (field, value) in [
            ("timing.report_ms", self.timing.report_ms),
            ("timing.failsafe_ttl_ms", self.timing.failsafe_ttl_ms),
            ("timing.failsafe_after_ms", self.timing.failsafe_after_ms),
        ] {
            if value == 0 {
                found.push(format!("{field}: must not be 0"));
            }
        }
        found
    }
}
