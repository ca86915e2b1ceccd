//! How a node is set up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openraft::{SnapshotPolicy, StepDownPolicy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::types::{Member, RaftId};

/// Largest encoded command, in bytes. Bounds every request body together with [`APPEND_BYTES_MAX`].
pub const COMMAND_BYTES_MAX: usize = 1024 * 1024;
/// Entries of one append request are cut after this many bytes.
pub const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest snapshot that is accepted from a peer, in bytes.
pub const SNAPSHOT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most first voters. Ids of later voters start above it.
pub const VOTERS_MAX: usize = 9;

/// One node's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// This supervisor's name; one of `peers`.
    pub name: String,
    /// Folder of the log, the snapshot and the identity.
    pub data_dir: PathBuf,
    /// Where to listen for peers.
    pub listen: SocketAddr,
    /// All supervisors, this one included.
    pub peers: Vec<Member>,
    /// DNS name that every supervisor's certificate carries; a certificate of another role is refused on both sides.
    pub tls_server_name: String,
    /// How fast the loss of the leader is noticed.
    pub profile: Profile,
    /// A snapshot is taken every so many entries; half as many are kept behind it for lagging peers.
    pub snapshot_every: u64,
}

/// How fast the loss of the leader is noticed, against how long a stall is forgiven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Heartbeat 50 ms, election 150–220 ms: quiet machines with fast disks.
    Fast,
    /// Heartbeat 80 ms, election 240–310 ms: under 0.7 s to a new leader, forgives a stall of 140 ms.
    #[default]
    Balanced,
    /// Heartbeat 200 ms, election 800–1200 ms: shared machines and slow disks.
    Tolerant,
}

impl Profile {
    /// Interval of heartbeats.
    #[must_use]
    pub const fn heartbeat(self) -> Duration {
        Duration::from_millis(match self {
            Self::Fast => 50,
            Self::Balanced => 80,
            Self::Tolerant => 200,
        })
    }

    /// Shortest election timeout.
    #[must_use]
    pub const fn election_min(self) -> Duration {
        Duration::from_millis(match self {
            Self::Fast => 150,
            Self::Balanced => 240,
            Self::Tolerant => 800,
        })
    }

    /// Longest election timeout, and the leader's lease.
    #[must_use]
    pub const fn election_max(self) -> Duration {
        Duration::from_millis(match self {
            Self::Fast => 220,
            Self::Balanced => 310,
            Self::Tolerant => 1200,
        })
    }

    /// Upper bound of one small request: below [`Self::election_min`], or a hung peer costs elections.
    pub(crate) const fn rpc_timeout(self) -> Duration {
        Duration::from_millis(match self {
            Self::Fast => 110,
            Self::Balanced => 180,
            Self::Tolerant => 600,
        })
    }
}

/// The settings contradict each other.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The own name is missing among the peers.
    #[error("`{0}` is not among the supervisors; list every supervisor, this one included")]
    NotAPeer(String),
    /// Two peers share a name or an address.
    #[error("two supervisors share `{0}`; give each its own name and address")]
    Duplicate(String),
    /// Too few or too many.
    #[error("{0} supervisors are listed; list 1 to {VOTERS_MAX}, best 3")]
    Count(usize),
    /// An address is unusable.
    #[error("`{0}` is not `host:port`")]
    Address(String),
    /// Not a DNS name.
    #[error("`{0}` is not a DNS name; supervisors' certificates must carry one")]
    ServerName(String),
    /// Too small to make sense.
    #[error("snapshot_every is {0}; use at least 16")]
    SnapshotEvery(u64),
    /// openraft refused the derived settings.
    #[error("the Raft settings contradict each other: {0}")]
    Raft(String),
}

impl Config {
    /// Checks the settings as a whole.
    ///
    /// # Errors
    /// Names the setting that is wrong and what to write instead.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.peers.is_empty() || self.peers.len() > VOTERS_MAX {
            return Err(ConfigError::Count(self.peers.len()));
        }
        for (at, peer) in self.peers.iter().enumerate() {
            split_addr(&peer.raft_addr)?;
            for other in self.peers.iter().skip(at + 1) {
                if other.name == peer.name {
                    return Err(ConfigError::Duplicate(peer.name.clone()));
                }
                if other.raft_addr == peer.raft_addr {
                    return Err(ConfigError::Duplicate(peer.raft_addr.clone()));
                }
            }
        }
        if self.me().is_none() {
            return Err(ConfigError::NotAPeer(self.name.clone()));
        }
        let dns = rustls::pki_types::DnsName::try_from(self.tls_server_name.as_str());
        if dns.is_err() {
            return Err(ConfigError::ServerName(self.tls_server_name.clone()));
        }
        if self.snapshot_every < 16 {
            return Err(ConfigError::SnapshotEvery(self.snapshot_every));
        }
        Ok(())
    }

    pub(crate) fn me(&self) -> Option<&Member> {
        self.peers.iter().find(|peer| peer.name == self.name)
    }

    /// A member as it is configured here. The group remembers where it was when it joined; since then it may have moved.
    pub(crate) fn located(&self, member: &Member) -> Member {
        let configured = self.peers.iter().find(|peer| peer.name == member.name);
        configured.unwrap_or(member).clone()
    }

    /// The first voters with their ids: 1 to n in the order of their names, the same on every peer.
    pub(crate) fn first_voters(&self) -> Vec<(RaftId, Member)> {
        let mut peers = self.peers.clone();
        peers.sort();
        (1..).zip(peers).collect()
    }

    /// A digest of the peer list, by which peers recognise that they were configured alike.
    pub(crate) fn peers_digest(&self) -> String {
        let mut hash = Sha256::new();
        for (id, peer) in self.first_voters() {
            hash.update(format!("{id}\n{}\n{}\n", peer.name, peer.raft_addr));
        }
        hex(&hash.finalize())
    }

    pub(crate) fn raft(&self) -> Result<openraft::Config, ConfigError> {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: "quorate".to_owned(),
            heartbeat_interval: millis(self.profile.heartbeat()),
            election_timeout_min: millis(self.profile.election_min()),
            election_timeout_max: millis(self.profile.election_max()),
            install_snapshot_timeout: 10_000,
            max_payload_entries: 256,
            max_append_entries: Some(256),
            replication_lag_threshold: self.snapshot_every.saturating_mul(2),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.snapshot_every / 2,
            purge_batch_size: (self.snapshot_every / 4).max(1),
            api_channel_size: Some(1024),
            notification_channel_size: Some(4096),
            state_machine_channel_size: Some(256),
            removed_leader_step_down: StepDownPolicy::After(150),
            // A granted pre-vote comes from the peer, never from a default: see `net::network`.
            enable_pre_vote: Some(true),
            // The followers' disks work while the leader's does.
            broadcast_submitted_on_append: Some(true),
            // A dead peer is back within a heartbeat or two of its return.
            backoff: "20ms 40ms 80ms 160ms".to_owned(),
            allow_log_reversion: Some(false),
            // `committed` is saved lazily, so a restarted leader stands for election like anybody.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| ConfigError::Raft(error.to_string()))
    }
}

/// Splits `host:port`; IPv6 hosts stand in brackets.
pub(crate) fn split_addr(addr: &str) -> Result<(&str, u16), ConfigError> {
    let wrong = || ConfigError::Address(addr.to_owned());
    let (host, port) = addr.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() || port == 0 {
        return Err(wrong());
    }
    Ok((host, port))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let peer = |name: &str, port: u16| Member {
            name: name.to_owned(),
            raft_addr: format!("127.0.0.1:{port}"),
            api_addr: String::new(),
        };
        Config {
            name: "s1".to_owned(),
            data_dir: PathBuf::new(),
            listen: ([127, 0, 0, 1], 1).into(),
            peers: vec![peer("s2", 2), peer("s1", 1), peer("s3", 3)],
            tls_server_name: "quorate-supervisor".to_owned(),
            profile: Profile::Balanced,
            snapshot_every: 512,
        }
    }

    #[test]
    fn every_profile_gives_valid_raft_settings() {
        for profile in [Profile::Fast, Profile::Balanced, Profile::Tolerant] {
            let config = Config { profile, ..config() };
            config.check().unwrap();
            config.raft().unwrap();
            assert!(profile.rpc_timeout() < profile.election_min());
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let mut other = config();
        other.peers.reverse();
        assert_eq!(other.peers_digest(), config().peers_digest());
        assert_eq!(other.first_voters()[0].1.name, "s1");
    }

    #[test]
    fn names_what_is_wrong() {
        let mut wrong = config();
        wrong.name = "s9".to_owned();
        assert_eq!(wrong.check(), Err(ConfigError::NotAPeer("s9".to_owned())));
        let mut wrong = config();
        wrong.peers[0].raft_addr = "127.0.0.1:1".to_owned();
        assert!(matches!(wrong.check(), Err(ConfigError::Duplicate(_))));
        let mut wrong = config();
        wrong.peers[0].raft_addr = "nowhere".to_owned();
        assert!(matches!(wrong.check(), Err(ConfigError::Address(_))));
    }
}
