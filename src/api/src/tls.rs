//! Mutual TLS whose certificates can be replaced without a restart.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod reload;
mod tickets;

use reload::{CurrentClientVerifier, CurrentKey, CurrentServerVerifier};
use tickets::{CurrentPurse, CurrentTicketer, Purse};

/// Where the certificates of one process are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// PEM of the root that signs every peer.
    pub ca: PathBuf,
    /// PEM of this process's certificate chain.
    pub cert: PathBuf,
    /// PEM of its key.
    pub key: PathBuf,
}

/// What a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A supervisor.
    Supervisor,
    /// An agent.
    Agent,
    /// A router.
    Router,
}

impl Role {
    /// DNS name that every certificate of the role carries, for peers that dial by address.
    #[must_use]
    pub const fn dns_suffix(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor.quorate",
            Self::Agent => "agent.quorate",
            Self::Router => "router.quorate",
        }
    }

    /// DNS name of one peer, for example `m1.agent.quorate`.
    #[must_use]
    pub fn dns_name(self, name: &str) -> String {
        format!("{name}.{}", self.dns_suffix())
    }
}

/// A peer's authenticated name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    /// What it is.
    pub role: Role,
    /// Its id.
    pub name: String,
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.role.dns_name(&self.name))
    }
}

/// Why TLS could not be set up, or whose certificate is unusable.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing or not PEM.
    #[error("cannot read `{}`: {why}; make certificates with `quorate pki init`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Key and certificate do not belong together, or the root is unusable.
    #[error("`{}` is unusable: {why}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A peer's certificate carries no name of ours.
    #[error("the peer's certificate names no supervisor, agent or router of Quorate; issue it with `quorate pki`")]
    NamelessPeer,
    /// The operating system gives no random numbers.
    #[error("no keys for session tickets could be made: {0}")]
    Tickets(rustls::Error),
    /// A host name is not a DNS name or address.
    #[error("`{0}` is not a DNS name or address")]
    BadName(String),
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// One process's TLS identity. Configurations made from it follow every [`Tls::reload`].
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Arc<ArcSwap<Material>>,
}

/// What the files held at the last load.
#[derive(Debug)]
struct Material {
    key: Arc<CertifiedKey>,
    roots: Vec<CertificateDer<'static>>,
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    ticketer: Arc<dyn ProducesTickets>,
    purse: Purse,
}

impl Material {
    /// Whether the files held the same.
    fn is(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert && self.roots == other.roots
    }
}

impl Tls {
    /// Loads the files.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the others.
    pub fn load(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let material = read(files, &provider)?;
        Ok(Arc::new(Self {
            files: files.clone(),
            provider,
            current: Arc::new(ArcSwap::from_pointee(material)),
        }))
    }

    /// Loads the files again, and tells whether a certificate in them has changed. Connections that stand are not touched; no
    /// session from before a change is resumed; the old material stays on an error.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let material = read(&self.files, &self.provider)?;
        let changed = !material.is(&self.current.load());
        if changed {
            self.current.store(Arc::new(material));
        }
        Ok(changed)
    }

    /// For dialling peers: shows our certificate, verifies theirs. No ALPN; clone and set it for HTTP/2.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone()).with_safe_default_protocol_versions();
        let builder = infallible(builder);
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(CurrentServerVerifier(self.current.clone())))
            .with_client_cert_resolver(Arc::new(CurrentKey(self.current.clone())));
        config.resumption = Resumption::store(Arc::new(CurrentPurse(self.current.clone())));
        Arc::new(config)
    }

    /// For listeners of peers: a certificate of our root is required. No ALPN.
    #[must_use]
    pub fn server_mutual(&self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone()).with_safe_default_protocol_versions();
        let mut config = infallible(builder)
            .with_client_cert_verifier(Arc::new(CurrentClientVerifier::new(self.current.clone())))
            .with_cert_resolver(Arc::new(CurrentKey(self.current.clone())));
        config.ticketer = Arc::new(CurrentTicketer(self.current.clone()));
        config.send_tls13_tickets = tickets::PER_HANDSHAKE;
        Arc::new(config)
    }

    /// For the REST API: no client certificate, HTTP/2 and HTTP/1.1.
    #[must_use]
    pub fn server_https(&self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone()).with_safe_default_protocol_versions();
        let mut config = infallible(builder)
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(CurrentKey(self.current.clone())));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Who this process is, by its own certificate.
    ///
    /// # Errors
    /// If the certificate carries no name of ours.
    pub fn own_name(&self) -> Result<PeerName, TlsError> {
        peer_name(&self.current.load().key.cert)
    }
}

/// The provider supports TLS 1.2 and 1.3, the only error of choosing the default versions is that it did not.
fn infallible<T>(built: Result<T, rustls::Error>) -> T {
    #[expect(
        clippy::expect_used,
        reason = "aws-lc-rs always has the default versions; covered by a test"
    )]
    built.expect("aws-lc-rs supports the default protocol versions")
}

/// The name in a peer's certificate.
///
/// # Errors
/// [`TlsError::NamelessPeer`] if none of its DNS names is one of ours.
pub fn peer_name(certs: &[CertificateDer<'_>]) -> Result<PeerName, TlsError> {
    let cert = certs.first().ok_or(TlsError::NamelessPeer)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(cert).map_err(|_| TlsError::NamelessPeer)?;
    let names = parsed.subject_alternative_name().map_err(|_| TlsError::NamelessPeer)?;
    let names = names.ok_or(TlsError::NamelessPeer)?;
    for general in &names.value.general_names {
        let x509_parser::extensions::GeneralName::DNSName(dns) = general else {
            continue;
        };
        for role in [Role::Supervisor, Role::Agent, Role::Router] {
            let name = dns
                .strip_suffix(role.dns_suffix())
                .and_then(|rest| rest.strip_suffix('.'));
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                return Ok(PeerName {
                    role,
                    name: name.to_owned(),
                });
            }
        }
    }
    Err(TlsError::NamelessPeer)
}

/// The name that a peer's certificate must carry: of one peer, or of any of its role where the name is not known.
///
/// # Errors
/// If the name is not a DNS label.
pub fn server_name(role: Role, name: Option<&str>) -> Result<ServerName<'static>, TlsError> {
    let dns = name.map_or_else(|| role.dns_suffix().to_owned(), |name| role.dns_name(name));
    ServerName::try_from(dns.clone()).map_err(|_| TlsError::BadName(dns))
}

fn read(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<Material, TlsError> {
    let file = |path: &PathBuf, why: String| TlsError::File {
        path: path.clone(),
        why,
    };
    let unusable = |path: &PathBuf, why: String| TlsError::Unusable {
        path: path.clone(),
        why,
    };
    let certs = |path: &PathBuf| {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| file(path, error.to_string()))
    };
    let authorities = certs(&files.ca)?;
    let mut roots = RootCertStore::empty();
    for cert in &authorities {
        roots
            .add(cert.clone())
            .map_err(|error| unusable(&files.ca, error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable(&files.ca, "no certificate in it".to_owned()));
    }
    let roots = Arc::new(roots);
    let chain = certs(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| file(&files.key, error.to_string()))?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| unusable(&files.cert, error.to_string()))?;
    let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| unusable(&files.ca, error.to_string()))?;
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| unusable(&files.ca, error.to_string()))?;
    Ok(Material {
        key: Arc::new(key),
        roots: authorities,
        servers,
        clients,
        ticketer: Ticketer::new().map_err(TlsError::Tickets)?,
        purse: Purse::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Authority;

    #[test]
    fn an_issued_certificate_carries_its_name_and_reloads() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "test").unwrap();
        let files = authority.issue(Role::Agent, "m1", &["10.0.0.7".into(), "db.local".into()]);
        let files = files.unwrap();
        let tls = Tls::load(&files).unwrap();
        assert_eq!(
            tls.own_name().unwrap(),
            PeerName {
                role: Role::Agent,
                name: "m1".into()
            }
        );
        let _ = (tls.client(), tls.server_mutual(), tls.server_https());
        assert!(!tls.reload().unwrap());
        Authority::load(dir.path())
            .unwrap()
            .issue(Role::Agent, "m1", &[])
            .unwrap();
        assert!(tls.reload().unwrap());
        assert!(Authority::create(dir.path(), "test").is_err(), "never overwritten");
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = PathBuf::from("/nonexistent/x.crt");
        let files = TlsFiles {
            ca: missing.clone(),
            cert: missing.clone(),
            key: missing,
        };
        assert!(
            Tls::load(&files)
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/x.crt")
        );
    }
}
