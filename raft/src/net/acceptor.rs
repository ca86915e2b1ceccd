//! Accepts connections: TLS, then a look at the peer's certificate. One authority signs every role's certificates, so a
//! valid one is not enough: it must carry the supervisors' DNS name.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// TLS with TCP_NODELAY and the role check.
#[derive(Clone)]
pub(super) struct SupervisorAcceptor {
    tls: RustlsAcceptor<NoDelayAcceptor>,
    name: Arc<ServerName<'static>>,
}

impl SupervisorAcceptor {
    pub(super) fn new(config: RustlsConfig, name: ServerName<'static>) -> Self {
        let tls = RustlsAcceptor::new(config)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .acceptor(NoDelayAcceptor::new());
        Self {
            tls,
            name: Arc::new(name),
        }
    }
}

impl<S> Accept<TcpStream, S> for SupervisorAcceptor
where
    S: Send + 'static,
{
    type Stream = <RustlsAcceptor<NoDelayAcceptor> as Accept<TcpStream, S>>::Stream;
    type Service = <RustlsAcceptor<NoDelayAcceptor> as Accept<TcpStream, S>>::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = self.tls.accept(stream, service);
        let name = Arc::clone(&self.name);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            check_role(&stream, &name)?;
            Ok((stream, service))
        })
    }
}

fn check_role(stream: &TlsStream<TcpStream>, name: &ServerName<'_>) -> io::Result<()> {
    let refused = |why: String| {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("the peer's certificate is not a supervisor's: {why}"),
        )
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let first = certificates
        .and_then(|chain| chain.first())
        .ok_or_else(|| refused("there is none".to_owned()))?;
    ParsedCertificate::try_from(first)
        .and_then(|certificate| verify_server_name(&certificate, name))
        .map_err(|error| refused(error.to_string()))
}
