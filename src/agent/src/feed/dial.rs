//! Dials a primary's door.

use std::io;
use std::time::Duration;

use quorate_api::link::{DoorHello, DoorWelcome, PROTOCOL, Purpose, RefusalCode, receive, send};
use quorate_api::tls::{Role, server_name};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Caller;
use crate::door::quicken;
use crate::machine::Target;

/// One attempt.
const ATTEMPT_MAX: Duration = Duration::from_millis(1500);

/// Why the door did not let us in.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// Not reachable.
    #[error("cannot reach the door")]
    Io(#[source] io::Error),
    /// No answer in time.
    #[error("no answer from the door within {ATTEMPT_MAX:?}")]
    Silent,
    /// It refused.
    #[error("the door refused: {why}")]
    Refused {
        /// For programs.
        code: RefusalCode,
        /// For people.
        why: String,
    },
}

impl DialError {
    /// Whether the door will open by itself: the primary is not armed yet.
    pub(super) fn is_early(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: RefusalCode::NotOpen,
                ..
            }
        )
    }
}

/// Dials, says who we are, and is let in.
pub(super) async fn dial(
    caller: &Caller,
    target: &Target,
    purpose: Purpose,
) -> Result<TlsStream<TcpStream>, DialError> {
    match timeout(ATTEMPT_MAX, attempt(caller, target, purpose)).await {
        Ok(Ok((stream, DoorWelcome::Admitted { .. }))) => Ok(stream),
        Ok(Ok((_, DoorWelcome::Refused { code, why, .. }))) => Err(DialError::Refused { code, why }),
        Ok(Err(error)) => Err(DialError::Io(error)),
        Err(_) => Err(DialError::Silent),
    }
}

async fn attempt(
    caller: &Caller,
    target: &Target,
    purpose: Purpose,
) -> io::Result<(TlsStream<TcpStream>, DoorWelcome)> {
    let stream = TcpStream::connect(&target.door).await?;
    quicken(&stream);
    let name = server_name(Role::Agent, Some(target.node.as_str()))?;
    let mut tls = TlsConnector::from(caller.client.clone()).connect(name, stream).await?;
    let hello = DoorHello {
        protocol: PROTOCOL,
        cluster: caller.cluster.clone(),
        epoch: target.epoch,
        purpose,
    };
    send(&mut tls, &hello).await.map_err(io::Error::other)?;
    let welcome = receive(&mut tls).await.map_err(io::Error::other)?;
    Ok((tls, welcome))
}
