//! Through an agent's door: TCP, mutual TLS with the very node that the table names, and the epoch.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::link::{self, DoorHello, DoorWelcome, LinkError, PROTOCOL, Purpose, RefusalCode};
use quorate_api::tls::{Role, TlsError, server_name};
use quorate_model::{ClusterId, Endpoint, Epoch, RouterId};
use rustls::ClientConfig;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Live;
use crate::core::metrics::DoorFailure;
use crate::core::route::Access;
use crate::core::sealed::{self, Sealed};
use crate::core::socket;

/// A server's side of a tunnel.
pub(crate) type DoorStream = Sealed;

/// How this router introduces itself at doors.
pub(crate) struct Visitor {
    pub(crate) cluster: ClusterId,
    pub(crate) router: RouterId,
    /// One for all doors, so that TLS sessions are resumed. Lets secrets out, to [`sealed`] only.
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) config: Live,
}

/// Why a door was not passed.
#[derive(Debug, Error)]
pub(crate) enum DoorError {
    #[error("cannot be reached ({0})")]
    Connect(io::Error),
    #[error("cannot be named in a certificate ({0})")]
    Name(TlsError),
    #[error("no TLS session ({0})")]
    Tls(io::Error),
    #[error("did not answer ({0})")]
    Talk(LinkError),
    #[error("refused: {why} ({code:?}, epoch {epoch})")]
    Refused {
        code: RefusalCode,
        epoch: Epoch,
        why: String,
    },
    #[error("answered for epoch {0}")]
    OtherEpoch(Epoch),
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
}

impl DoorError {
    /// How it is counted.
    pub(crate) const fn kind(&self) -> DoorFailure {
        match self {
            Self::Connect(_) => DoorFailure::Connect,
            Self::Name(_) | Self::Tls(_) | Self::Talk(_) => DoorFailure::Talk,
            Self::Refused { .. } | Self::OtherEpoch(_) => DoorFailure::Refused,
            Self::TooSlow(_) => DoorFailure::Timeout,
        }
    }
}

impl Visitor {
    /// One attempt. After it, the next byte is the server's greeting.
    pub(crate) async fn knock(&self, door: &Endpoint, epoch: Epoch, access: Access) -> Result<DoorStream, DoorError> {
        self.within_limit(self.pass(door, epoch, access, None::<fn()>)).await
    }

    /// As [`Visitor::knock`]; but a writer who comes before the door is open waits for it, and must leave when the epoch ends.
    /// `at_door` is called when everything is done that costs somebody work, and only the door's answer is missing.
    pub(crate) async fn wait_at(
        &self,
        door: &Endpoint,
        epoch: Epoch,
        access: Access,
        at_door: impl FnOnce(),
    ) -> Result<DoorStream, DoorError> {
        self.within_limit(self.pass(door, epoch, access, Some(at_door))).await
    }

    async fn within_limit(
        &self,
        passing: impl Future<Output = Result<DoorStream, DoorError>>,
    ) -> Result<DoorStream, DoorError> {
        let patience = self.config.load().limits.dial_timeout();
        timeout(patience, passing)
            .await
            .unwrap_or(Err(DoorError::TooSlow(patience)))
    }

    async fn pass(
        &self,
        door: &Endpoint,
        epoch: Epoch,
        access: Access,
        at_door: Option<impl FnOnce()>,
    ) -> Result<DoorStream, DoorError> {
        let name = server_name(Role::Agent, Some(door.node.as_str())).map_err(DoorError::Name)?;
        let stream = TcpStream::connect(&door.door).await.map_err(DoorError::Connect)?;
        socket::tune_door(&stream).map_err(DoorError::Connect)?;
        let mut stream = sealed::connect(self.tls.clone(), name, stream)
            .await
            .map_err(DoorError::Tls)?;
        let purpose = Purpose::Client {
            router: self.router.clone(),
            write: access == Access::Write,
            // A reader has other doors to go to.
            waits: at_door.is_some() && access == Access::Write,
        };
        let hello = DoorHello {
            protocol: PROTOCOL,
            cluster: self.cluster.clone(),
            epoch,
            purpose,
        };
        link::send(&mut stream, &hello).await.map_err(DoorError::Talk)?;
        if let Some(at_door) = at_door {
            at_door();
        }
        match link::receive(&mut stream).await.map_err(DoorError::Talk)? {
            DoorWelcome::Admitted { epoch: theirs } if theirs == epoch => Ok(stream),
            DoorWelcome::Admitted { epoch: theirs } => Err(DoorError::OtherEpoch(theirs)),
            DoorWelcome::Refused { code, epoch, why } => Err(DoorError::Refused { code, epoch, why }),
        }
    }
}
