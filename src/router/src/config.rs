//! How a router is set up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use quorate_api::tls::TlsFiles;
use quorate_model::{ClusterId, RouterId, SupervisorId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

mod access;
mod fleet;

pub(crate) use self::access::Network;
pub use self::access::{ClientTls, ProxyProtocol, ServerSide, ServiceAccount};
pub use self::fleet::{CausalLevel, Pooling, ReadPrimary, Reads};

/// The settings as of now: replaced as a whole when they are read again, and looked at wherever one is needed.
pub(crate) type Live = Arc<ArcSwap<Config>>;

/// One router's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This router's id; its certificate must carry it.
    #[schemars(with = "String")]
    pub router: RouterId,
    /// The deployment; peers of another one are refused.
    #[schemars(with = "String")]
    pub cluster: ClusterId,
    /// `host:port` of every supervisor's link, by supervisor id.
    #[schemars(with = "BTreeMap<String, String>")]
    pub supervisors: BTreeMap<SupervisorId, String>,
    /// Where to listen.
    #[serde(default)]
    pub listen: Listen,
    /// Certificates.
    pub tls: TlsFiles,
    /// File that keeps the last route table, to serve from while no supervisor can be reached.
    pub state_file: PathBuf,
    /// Threads that carry clients' bytes, each on a core of its own. One carries some tens of thousands of queries a
    /// second, which is what a sidecar should take from its application.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: usize,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// Where reads go.
    #[serde(default)]
    pub reads: Reads,
    /// How connections to servers are shared.
    #[serde(default)]
    pub pool: Pooling,
    /// The router's own account at servers; without it `rw` carries connections to the primary, as `tunnel` does.
    #[serde(default)]
    pub service: Option<ServiceAccount>,
    /// JSON file `{"user": "password"}` for users of the plugin `ed25519`, closed to others on the machine. Looked at again
    /// whenever it changed.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// TLS towards clients; none unless set.
    #[serde(default)]
    pub client_tls: Option<ClientTls>,
    /// How servers are spoken to.
    #[serde(default)]
    pub server: ServerSide,
    /// Whether clients are offered `LOAD DATA LOCAL INFILE`; the servers must allow it, too.
    #[serde(default = "yes")]
    pub local_infile: bool,
}

const fn yes() -> bool {
    true
}

const fn one() -> usize {
    1
}

/// Where to listen. Applications speak plain MySQL here, so it should stay on loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// For reading and writing: statement by statement, reads to replicas and everything else to the primary.
    pub rw: SocketAddr,
    /// For reading only, connection by connection: a replica, or the primary if none lets the client in and
    /// `reads.primary` allows it. It is not asked what is sent: the servers refuse writes, and the primary does not.
    pub ro: SocketAddr,
    /// For reading and writing at connection level: every byte goes to the primary untouched, and the connection ends with
    /// its epoch. None unless set.
    pub tunnel: Option<SocketAddr>,
    /// For `/healthz`, `/readyz` and `/metrics`; none unless set.
    pub admin: Option<SocketAddr>,
    /// Networks (`10.0.0.0/8`) whose connections to `rw` and `ro` begin with a PROXY header, version 1 or 2.
    pub proxy_from: Vec<String>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            rw: SocketAddr::from(([127, 0, 0, 1], 3306)),
            ro: SocketAddr::from(([127, 0, 0, 1], 3307)),
            tunnel: None,
            admin: None,
            proxy_from: Vec::new(),
        }
    }
}

/// Limits. Beyond them a client gets a MySQL error that names the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most client connections at a time, held ones included.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: usize,
    /// Most client connections that wait for a primary at a time.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub hold_max: usize,
    /// Longest wait of a new connection for a primary.
    pub hold_wait_ms: u64,
    /// Longest attempt to reach one door.
    #[schemars(range(min = 1))]
    pub dial_timeout_ms: u64,
    /// How long open connections may go on after the router was told to stop.
    pub drain_ms: u64,
    /// How long clients may go on in this process after another one took over. Then it stops as if it was told to.
    pub hand_over_ms: u64,
    /// Longest time that a client may take until it is known.
    #[schemars(range(min = 1))]
    pub handshake_ms: u64,
    /// Statements that take longer are listed by `SHOW QUORATE SLOW`, without their values.
    pub slow_statement_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            hold_max: 1024,
            hold_wait_ms: 10_000,
            dial_timeout_ms: 1000,
            drain_ms: 1000,
            hand_over_ms: 600_000,
            handshake_ms: 10_000,
            slow_statement_ms: 1000,
        }
    }
}

impl Limits {
    pub(crate) const fn hold_wait(&self) -> Duration {
        Duration::from_millis(self.hold_wait_ms)
    }

    pub(crate) const fn dial_timeout(&self) -> Duration {
        Duration::from_millis(self.dial_timeout_ms)
    }

    pub(crate) const fn handshake(&self) -> Duration {
        Duration::from_millis(self.handshake_ms)
    }

    pub(crate) const fn slow_statement(&self) -> Duration {
        Duration::from_millis(self.slow_statement_ms)
    }

    pub(crate) const fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    pub(crate) const fn hand_over(&self) -> Duration {
        Duration::from_millis(self.hand_over_ms)
    }
}

/// Most threads: more than any sidecar may take.
const THREADS_MAX: usize = 64;

/// Most that a semaphore-backed limit may be; far above any machine's sockets.
const LIMIT_MAX: usize = 1_000_000;

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and the remedy.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |field: &str, problem: String| {
            Err(Error::Config {
                field: field.to_owned(),
                problem,
            })
        };
        if self.router.as_str().is_empty() {
            return wrong("router", "is empty; give this router an id such as `r1`".to_owned());
        }
        if self.cluster.as_str().is_empty() {
            return wrong(
                "cluster",
                "is empty; it must equal the supervisors' `cluster`".to_owned(),
            );
        }
        if self.supervisors.is_empty() {
            return wrong(
                "supervisors",
                "is empty; name every supervisor and its link address".to_owned(),
            );
        }
        for (id, address) in &self.supervisors {
            if address
                .rsplit_once(':')
                .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
            {
                return wrong(&format!("supervisors.{id}"), format!("`{address}` is not `host:port`"));
            }
        }
        if let Some((field, problem)) = self.listen.wrong() {
            return wrong(&field, problem);
        }
        if !(1..=THREADS_MAX).contains(&self.threads) {
            return wrong("threads", format!("is {}; it must be 1 to {THREADS_MAX}", self.threads));
        }
        let limits = &self.limits;
        for (field, value) in [
            ("limits.max_connections", limits.max_connections),
            ("limits.hold_max", limits.hold_max),
        ] {
            if !(1..=LIMIT_MAX).contains(&value) {
                return wrong(field, format!("is {value}; it must be 1 to {LIMIT_MAX}"));
            }
        }
        if limits.dial_timeout_ms == 0 {
            return wrong(
                "limits.dial_timeout_ms",
                "is 0; no door could ever be reached".to_owned(),
            );
        }
        if limits.handshake_ms == 0 {
            return wrong("limits.handshake_ms", "is 0; no client could ever log in".to_owned());
        }
        let service = self.service.as_ref().and_then(ServiceAccount::wrong);
        match service.or_else(|| self.reads.wrong()).or_else(|| self.pool.wrong()) {
            Some((field, problem)) => wrong(field, problem),
            None => Ok(()),
        }
    }
}

impl Listen {
    /// What is wrong with it: the field and the remedy.
    fn wrong(&self) -> Option<(String, String)> {
        let Self { rw, ro, tunnel, .. } = *self;
        let pairs = [
            ("ro", Some(ro), "rw", rw),
            ("tunnel", tunnel, "rw", rw),
            ("tunnel", tunnel, "ro", ro),
        ];
        for (later, address, earlier, taken) in pairs {
            if let Some(address) = address.filter(|it| *it == taken && it.port() != 0) {
                let problem = format!("{address} is `listen.{earlier}` too; give each a port");
                return Some((format!("listen.{later}"), problem));
            }
        }
        let bad = self.proxy_from.iter().find(|it| Network::parse(it).is_none())?;
        let problem = format!("has `{bad}`, which is no network such as `10.0.0.0/8`");
        Some(("listen.proxy_from".to_owned(), problem))
    }
}

/// The least that a configuration must say.
#[cfg(test)]
pub(crate) fn least() -> serde_json::Value {
    serde_json::json!({
        "router": "r1",
        "cluster": "lab",
        "supervisors": {"s1": "127.0.0.1:7001"},
        "tls": {"ca": "ca.crt", "cert": "r1.crt", "key": "r1.key"},
        "state_file": "r1.routes",
    })
}

#[cfg(test)]
mod tests {
    use super::least as config;
    use super::*;

    #[test]
    fn defaults_stay_on_loopback() {
        let config: Config = serde_json::from_value(config()).unwrap();
        config.check().unwrap();
        assert!(config.listen.rw.ip().is_loopback() && config.listen.ro.ip().is_loopback());
        assert_eq!((config.listen.admin, config.listen.tunnel), (None, None));
    }

    #[test]
    fn unknown_keys_and_impossible_values_are_refused() {
        let mut typo = config();
        typo["hold_wiat_ms"] = 5.into();
        assert!(
            serde_json::from_value::<Config>(typo)
                .unwrap_err()
                .to_string()
                .contains("hold_wiat_ms")
        );

        let mut wrong = config();
        wrong["supervisors"]["s1"] = "127.0.0.1".into();
        let config: Config = serde_json::from_value(wrong).unwrap();
        assert!(config.check().unwrap_err().to_string().contains("supervisors.s1"));
    }

    #[test]
    fn two_listeners_on_one_address_are_named() {
        for (taken, other) in [("127.0.0.1:3306", "listen.rw"), ("127.0.0.1:3307", "listen.ro")] {
            let mut twice = config();
            twice["listen"] = serde_json::json!({ "tunnel": taken });
            let config: Config = serde_json::from_value(twice).unwrap();
            let said = config.check().unwrap_err().to_string();
            assert!(said.contains("listen.tunnel") && said.contains(other), "{said}");
        }
    }
}
