//! Who clients are, and as whom the router comes to servers.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The account that the router itself uses at servers: to check its clients' passwords, to measure how far replicas are,
/// and to find out what became of a statement whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// Its name.
    #[serde(default = "usual_user")]
    pub user: String,
    /// File with its password on one line: the agents' secret `router`. Read at each login.
    pub password_file: PathBuf,
    /// How often the servers' accounts are read when no login needs it sooner.
    #[serde(default = "usual_refresh_ms")]
    #[schemars(range(min = 500))]
    pub refresh_ms: u64,
}

/// The certificate that clients see, and whether they must ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// PEM of the certificate chain.
    pub cert: PathBuf,
    /// PEM of its key.
    pub key: PathBuf,
    /// PEM of the roots that must have signed the clients' certificates. Clients need none unless this is set.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether clients without TLS are sent away.
    #[serde(default)]
    pub required: bool,
}

/// How servers are spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSide {
    /// Whether servers are told each client's address. They then see `'user'@'10.1.2.3'` in place of `'user'@'localhost'`, so
    /// accounts must exist for those hosts.
    pub proxy_protocol: ProxyProtocol,
}

/// Which PROXY header servers get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// None.
    #[default]
    None,
    /// A line of text.
    V1,
    /// A binary block.
    V2,
}

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

fn usual_user() -> String {
    "quorate_router".to_owned()
}

const fn usual_refresh_ms() -> u64 {
    10_000
}

impl ServiceAccount {
    /// The usual account, with its password in this file.
    #[must_use]
    pub fn usual(password_file: PathBuf) -> Self {
        Self {
            user: usual_user(),
            password_file,
            refresh_ms: usual_refresh_ms(),
        }
    }

    pub(crate) const fn refresh(&self) -> Duration {
        Duration::from_millis(self.refresh_ms)
    }

    /// The field that is wrong, and how.
    pub(crate) fn wrong(&self) -> Option<(&'static str, String)> {
        if self.user.is_empty() {
            return Some((
                "service.user",
                "is empty; the agents create `quorate_router`".to_owned(),
            ));
        }
        (self.refresh_ms < 500).then(|| {
            let problem = format!("is {}; it must be at least 500", self.refresh_ms);
            ("service.refresh_ms", problem)
        })
    }
}

impl Network {
    /// Reads `address/bits` or `address`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = if bits.is_empty() { most } else { bits.parse().ok()? };
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether an address is in it.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let unlike = u32::from(own) ^ u32::from(other);
                unlike.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let unlike = u128::from(own) ^ u128::from(other);
                unlike.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.200.1.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fd12::1") && holds("10.0.0.0/8", "::ffff:10.0.0.1"));
        for text in ["", "10.0.0.0/33", "::/129", "ten", "10.0.0.0/x"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
