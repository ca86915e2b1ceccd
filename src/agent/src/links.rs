//! Links to the supervisors: reports out, orders and leases in. One connection to each, kept, dialled again when it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::backoff::Backoff;
use quorate_api::link::{FromSupervisor, Hello, LinkError, PROTOCOL, Peer, Welcome, receive, send};
use quorate_api::tls::{Role, server_name};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::feed::Caller;
use crate::machine::Event;
use crate::memory::chain;

/// An encoded report; the newest replaces one that was not sent yet, since each says everything.
pub(crate) type Frame = Arc<Vec<u8>>;

const GREETING_MAX: Duration = Duration::from_secs(3);
/// A supervisor that takes in nothing for this long is dialled anew.
const STALLED_MS: u32 = 2_000;

/// One link.
pub(crate) struct Link {
    pub(crate) address: String,
    pub(crate) caller: Caller,
    pub(crate) reports: watch::Receiver<Option<Frame>>,
    pub(crate) events: mpsc::Sender<Event>,
}

impl Link {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new();
        let mut said = None;
        loop {
            let mut up = None;
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.once(&mut up) => ended,
            };
            let mut why = match ended {
                Ok(()) => return,
                Err(error) => chain(&error),
            };
            let lived = up.map(|up: Instant| up.elapsed());
            if lived.is_some_and(Backoff::is_short) {
                why.push_str("; it had hardly begun: does another agent run under this id?");
            }
            // Once for each reason, not once for each attempt.
            if said.as_ref() != Some(&why) {
                tracing::warn!(supervisor = self.address, why, "no link to a supervisor");
                said = Some(why);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(backoff.after(lived)) => {}
            }
        }
    }

    /// One connection, until it ends; tells since when it was up. Done only when the agent stops.
    async fn once(&mut self, up: &mut Option<Instant>) -> Result<(), LinkError> {
        let greeted = timeout(GREETING_MAX, self.greet());
        let link = greeted
            .await
            .map_err(|_| LinkError::Io(io::ErrorKind::TimedOut.into()))??;
        *up = Some(Instant::now());
        tracing::info!(supervisor = self.address, "linked");
        let (mut from, mut to) = tokio::io::split(link);
        let events = self.events.clone();
        let listen = async {
            loop {
                let event = match receive(&mut from).await? {
                    FromSupervisor::Order(order) => Event::Order(order),
                    FromSupervisor::Lease(grant) => Event::Lease(grant),
                    FromSupervisor::Routes(_) => continue,
                };
                if events.send(event).await.is_err() {
                    return Ok(());
                }
            }
        };
        let reports = &mut self.reports;
        reports.mark_changed();
        let speak = async {
            loop {
                if reports.changed().await.is_err() {
                    return Ok(());
                }
                let frame = reports.borrow_and_update().clone();
                if let Some(frame) = frame {
                    to.write_all(&frame).await.map_err(LinkError::Io)?;
                    to.flush().await.map_err(LinkError::Io)?;
                }
            }
        };
        tokio::select! {
            ended = listen => ended,
            ended = speak => ended,
        }
    }

    async fn greet(&self) -> Result<TlsStream<TcpStream>, LinkError> {
        let stream = TcpStream::connect(&self.address).await.map_err(LinkError::Io)?;
        let _best_effort = stream.set_nodelay(true);
        let _best_effort = set_tcp_user_timeout(&stream, STALLED_MS);
        let name = server_name(Role::Supervisor, None).map_err(|error| LinkError::Io(error.into()))?;
        let connector = TlsConnector::from(self.caller.client.clone());
        let mut link = connector.connect(name, stream).await.map_err(LinkError::Io)?;
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: self.caller.cluster.clone(),
            peer: Peer::Agent {
                node: self.caller.node.clone(),
            },
        };
        send(&mut link, &hello).await?;
        match receive(&mut link).await? {
            Welcome::Accepted { .. } => Ok(link),
            Welcome::Refused { why, .. } => Err(LinkError::Io(io::Error::new(io::ErrorKind::PermissionDenied, why))),
        }
    }
}
