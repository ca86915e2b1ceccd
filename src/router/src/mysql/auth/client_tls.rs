//! TLS towards clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

use crate::config::ClientTls as Files;

/// How often the files are looked at; certificates are replaced days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The certificate that clients see; replaced as a whole.
#[derive(Debug)]
pub(crate) struct ClientTls {
    files: Files,
    current: ArcSwap<ServerConfig>,
}

/// The files cannot be used.
#[derive(Debug, Error)]
#[error("`{}` (`client_tls.{field}`) cannot be used: {why}", path.display())]
pub(crate) struct ClientTlsError {
    field: &'static str,
    path: PathBuf,
    why: String,
}

impl ClientTls {
    /// Reads the files.
    pub(crate) fn load(files: &Files) -> Result<Self, ClientTlsError> {
        Ok(Self {
            files: files.clone(),
            current: ArcSwap::from(read(files)?),
        })
    }

    /// Reads the files again; the present certificate stays on an error.
    pub(crate) fn reload(&self) -> Result<(), ClientTlsError> {
        self.current.store(read(&self.files)?);
        Ok(())
    }

    /// Looks at the files now and then until `stop`; files that cannot be used leave the present certificate in place.
    pub(crate) async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            let looked = self.clone();
            let Ok(read) = spawn_blocking(move || looked.reload()).await else {
                continue;
            };
            match read {
                Ok(()) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the replaced certificate for clients cannot be used; the present one stays");
                    }
                }
            }
        }
    }

    /// For the next client.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Whether clients without TLS are sent away.
    pub(crate) const fn required(&self) -> bool {
        self.files.required
    }
}

fn read(files: &Files) -> Result<Arc<ServerConfig>, ClientTlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |field, path: &Path, why: String| ClientTlsError {
        field,
        path: path.to_owned(),
        why,
    };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("cert", &files.cert, error.to_string()))?;
    let builder = match &files.ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let verifier = verifier(ca, provider).map_err(|why| unusable("ca", ca, why))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(&files.cert).map_err(|error| unusable("cert", &files.cert, error.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable("key", &files.key, error.to_string()))?;
    let config = builder.with_single_cert(chain, key);
    Ok(Arc::new(
        config.map_err(|error| unusable("cert", &files.cert, error.to_string()))?,
    ))
}

fn verifier(ca: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca).map_err(|error| error.to_string())? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    CertificateDer::pem_file_iter(path)?.collect()
}
