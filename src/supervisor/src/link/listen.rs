//! The listener for links.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_api::link::{Hello, LinkError, RefusalCode, Welcome, receive, send};
use quorate_api::tls::{PeerName, Role, Tls, peer_name};
use quorate_model::RouteTable;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::greet::Rules;
use super::{LinkEvent, Live, session};
use crate::core::Input;

/// Connections at the same time; a deployment has three supervisors, some nodes and a router per application.
const CONNECTIONS_MAX: usize = 1024;
/// For TLS and the greeting. Bounds what a peer that says nothing can hold.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every session needs.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Certificates.
    pub(crate) tls: Arc<Tls>,
    /// Who may come in.
    pub(crate) rules: Rules,
    /// Where events go.
    pub(crate) core: mpsc::Sender<Input>,
    /// What routers follow.
    pub(crate) routes: watch::Receiver<Option<RouteTable>>,
    /// Numbers connections.
    pub(crate) ids: AtomicU64,
}

/// Accepts links until `stop`.
pub(crate) async fn listen(listener: TcpListener, gate: Arc<Gate>, tasks: TaskTracker, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let acceptor = TlsAcceptor::from(gate.tls.server_mutual());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a link");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            warn!(%from, "link dropped: {CONNECTIONS_MAX} are open");
            continue;
        };
        let (gate, acceptor, stop) = (gate.clone(), acceptor.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            match timeout(GREETING_TIMEOUT, greet(&gate, &acceptor, stream)).await {
                Ok(Ok((peer, stream))) => run(&gate, peer, stream, &stop).await,
                Ok(Err(error @ GreetError::Refused { .. })) => warn!(%from, %error, "link refused"),
                // Port scanners and plain probes end here; a peer with a wrong certificate says so itself.
                Ok(Err(error)) => debug!(%from, error = %chain(&error), "link dropped"),
                Err(_) => debug!(%from, "link dropped: no greeting in time"),
            }
        });
    }
}

/// Why a link was not opened.
#[derive(Debug, thiserror::Error)]
enum GreetError {
    #[error("TLS failed")]
    Handshake(#[source] io::Error),
    #[error(transparent)]
    Name(#[from] quorate_api::tls::TlsError),
    #[error("the greeting failed")]
    Link(#[from] LinkError),
    #[error("{code:?}: {why}")]
    Refused { code: RefusalCode, why: String },
}

async fn greet(
    gate: &Gate,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Result<(PeerName, TlsStream<TcpStream>), GreetError> {
    stream.set_nodelay(true).map_err(GreetError::Handshake)?;
    let mut stream = acceptor.accept(stream).await.map_err(GreetError::Handshake)?;
    let name = peer_name(stream.get_ref().1.peer_certificates().unwrap_or_default())?;
    let hello: Hello = receive(&mut stream).await?;
    let welcome = gate.rules.answer(&hello, &name);
    send(&mut stream, &welcome).await?;
    match welcome {
        Welcome::Accepted { .. } => Ok((name, stream)),
        Welcome::Refused { code, why } => Err(GreetError::Refused { code, why }),
    }
}

async fn run(gate: &Gate, peer: PeerName, stream: TlsStream<TcpStream>, stop: &CancellationToken) {
    let id = gate.ids.fetch_add(1, Ordering::Relaxed);
    let stop = stop.child_token();
    let (outbox, sources) = session::queues(peer.role == Role::Agent, gate);
    let live = Live::new(id, stop.clone(), outbox);
    if gate
        .core
        .send(Input::Link(LinkEvent::Up {
            peer: peer.clone(),
            live,
        }))
        .await
        .is_err()
    {
        return;
    }
    let end = tokio::select! {
        () = stop.cancelled() => session::End { reset: false, why: "replaced or stopping".to_owned() },
        end = session::run(&peer, stream, sources, &gate.core) => end,
    };
    debug!(%peer, why = end.why, "link ended");
    // At the very end there is no core left to tell.
    let _ = gate
        .core
        .send(Input::Link(LinkEvent::Down {
            peer,
            id,
            reset: end.reset,
        }))
        .await;
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
