//! Why a call failed.

use std::error::Error as _;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::rest::{ErrorBody, ErrorCode};

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No base URL was given.
    #[error("no supervisor is known; name one with its URL, or point to a lab")]
    NoSupervisor,
    /// The roots are unusable.
    #[error("the CA certificate is unusable: {0}")]
    Roots(String),
    /// The HTTP client could not be made.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("no supervisor answers; {}", list(tried))]
    Unreachable {
        /// Each one that was tried, and why it failed.
        tried: Vec<(String, String)>,
    },
    /// The connection broke after a change was sent.
    #[error("{base} broke off; the change may or may not have been made: look at the events before you repeat it")]
    Uncertain {
        /// Who.
        base: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A supervisor refused.
    #[error("{0}")]
    Refused(ErrorBody),
    /// The answer is not what this version expects.
    #[error("{base} answers something that this version does not understand; is it another version, or no supervisor?")]
    Answer {
        /// Who.
        base: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An event stream ended.
    #[error("the stream of events broke")]
    Stream(#[source] reqwest::Error),
}

impl ClientError {
    /// The code of a refusal.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(body) => Some(body.code),
            _ => None,
        }
    }
}

fn list(tried: &[(String, String)]) -> String {
    let parts: Vec<String> = tried.iter().map(|(base, why)| format!("{base}: {why}")).collect();
    parts.join("; ")
}

/// An error and its causes in one line; the causes of an HTTP client's errors are the part that matters.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = if error.is_timeout() {
        "timed out".to_owned()
    } else {
        String::new()
    };
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// The body of a refusal.
pub(super) async fn refused(answer: reqwest::Response) -> ClientError {
    let base = answer.url().origin().ascii_serialization();
    match answer.json().await {
        Ok(body) => ClientError::Refused(body),
        Err(source) => ClientError::Answer { base, source },
    }
}

/// TLS that trusts the given roots only.
pub(super) fn tls(ca_pem: &[u8]) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(ca_pem) {
        let cert = cert.map_err(|error| ClientError::Roots(error.to_string()))?;
        roots.add(cert).map_err(|error| ClientError::Roots(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(ClientError::Roots("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Roots(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
