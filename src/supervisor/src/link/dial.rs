//! Links to the other supervisors: this one's view of the agents, for whoever leads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::backoff::Backoff;
use quorate_api::link::{Hello, LinkError, PROTOCOL, Peer, RefusalCode, ToSupervisor, Welcome, receive, send};
use quorate_api::tls::{Role, Tls, TlsError, server_name};
use quorate_model::{ClusterId, SupervisorId, VoterView};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// For the connection, TLS and the greeting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For one view.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// What dialling another supervisor needs.
#[derive(Debug, Clone)]
pub(crate) struct Dialler {
    /// Who dials.
    pub(crate) me: SupervisorId,
    /// The deployment.
    pub(crate) cluster: ClusterId,
    /// Certificates.
    pub(crate) tls: Arc<Tls>,
    /// The newest view.
    pub(crate) views: watch::Receiver<Option<VoterView>>,
}

/// Why a link to another supervisor failed.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("TLS failed: {0}")]
    Handshake(io::Error),
    #[error("{0}")]
    Name(#[from] TlsError),
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("it refuses ({code:?}): {why}")]
    Refused { code: RefusalCode, why: String },
    #[error("it does not answer in time")]
    Slow,
    #[error("stopping")]
    Stopping,
}

/// Keeps a link to one supervisor until `stop`.
pub(crate) async fn dial(dialler: Dialler, id: String, addr: String, stop: CancellationToken) {
    let mut backoff = Backoff::new();
    let mut said = String::new();
    loop {
        let mut up = None;
        let error = tokio::select! {
            () = stop.cancelled() => return,
            error = tell(&dialler, &id, &addr, &mut up) => error,
        };
        let error = match error {
            Ok(never) => match never {},
            Err(DialError::Stopping) => return,
            Err(error) => error.to_string(),
        };
        // Said once per cause: a supervisor may be away for days.
        if error == said {
            debug!(supervisor = id, addr, error, "no link to a supervisor");
        } else {
            warn!(supervisor = id, addr, error, "no link to a supervisor; trying on");
            said = error;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff.after(up.map(|up: Instant| up.elapsed()))) => {}
        }
    }
}

async fn tell(
    dialler: &Dialler,
    id: &str,
    addr: &str,
    up: &mut Option<Instant>,
) -> Result<std::convert::Infallible, DialError> {
    let mut stream = timeout(CONNECT_TIMEOUT, connect(dialler, id, addr))
        .await
        .map_err(|_| DialError::Slow)??;
    *up = Some(Instant::now());
    let mut views = dialler.views.clone();
    loop {
        views.changed().await.map_err(|_| DialError::Stopping)?;
        let Some(view) = views.borrow_and_update().clone() else {
            continue;
        };
        timeout(SEND_TIMEOUT, send(&mut stream, &ToSupervisor::Voter(view)))
            .await
            .map_err(|_| DialError::Slow)??;
    }
}

async fn connect(
    dialler: &Dialler,
    id: &str,
    addr: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, DialError> {
    let name = server_name(Role::Supervisor, Some(id))?;
    let stream = TcpStream::connect(addr).await.map_err(DialError::Connect)?;
    stream.set_nodelay(true).map_err(DialError::Connect)?;
    let connector = TlsConnector::from(dialler.tls.client());
    let mut stream = connector.connect(name, stream).await.map_err(DialError::Handshake)?;
    let peer = Peer::Supervisor {
        supervisor: dialler.me.clone(),
    };
    send(
        &mut stream,
        &Hello {
            protocol: PROTOCOL,
            cluster: dialler.cluster.clone(),
            peer,
        },
    )
    .await?;
    match receive(&mut stream).await? {
        Welcome::Accepted { .. } => Ok(stream),
        Welcome::Refused { code, why } => Err(DialError::Refused { code, why }),
    }
}
