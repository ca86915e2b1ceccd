//! Whether the settings make sense as a whole.

use std::collections::BTreeSet;

use thiserror::Error;

use super::Config;

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
    use quorate_model::{NodeId, Policy};

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
