//! Accepts clients: so many at a time, and never in a spin when the process runs out of files.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::route::Access;

/// Pause after a failure that concerns the process and not one client.
const PAUSE: Duration = Duration::from_millis(100);

/// A client's place among `max_connections`, given back when dropped.
pub(crate) type Slot = OwnedSemaphorePermit;

/// What applications connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// `listen.rw`
    Rw,
    /// `listen.ro`
    Ro,
    /// `listen.tunnel`
    Tunnel,
}

impl Port {
    /// Its name in the configuration, in logs and in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rw => "rw",
            Self::Ro => "ro",
            Self::Tunnel => "tunnel",
        }
    }

    /// What its connections are for.
    pub(crate) const fn access(self) -> Access {
        match self {
            Self::Rw | Self::Tunnel => Access::Write,
            Self::Ro => Access::Read,
        }
    }
}

/// One listening socket. Several may share their room.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) socket: TcpListener,
    pub(crate) room: Arc<Semaphore>,
}

impl Listener {
    /// Accepts until `stop`. A client that finds no room is served without a slot, and should be told so.
    pub(crate) async fn run<F>(
        self,
        tasks: TaskTracker,
        stop: CancellationToken,
        serve: impl Fn(TcpStream, Option<Slot>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((client, _)) => {
                    failing = false;
                    tasks.spawn(serve(client, self.room.clone().try_acquire_owned().ok()));
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => {
                    if !failing {
                        tracing::error!(listener = self.name, %error, "cannot accept clients; raise the limit of open files (ulimit -n) if it is reached");
                    }
                    failing = true;
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        }
    }
}

fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
