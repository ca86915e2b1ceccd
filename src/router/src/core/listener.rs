//! Accepts clients: so many at a time, and never in a spin when the process runs out of files.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Live;
use crate::core::plane::Plane;
use crate::core::room::Room;
pub(crate) use crate::core::room::Slot;
use crate::core::route::Access;

/// Pause after a failure that concerns the process and not one client.
const PAUSE: Duration = Duration::from_millis(100);

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
    pub(crate) room: Arc<Room>,
    /// How many fit into it.
    pub(crate) config: Live,
    /// Who serves them.
    pub(crate) plane: Arc<Plane>,
}

impl Listener {
    /// Accepts until `stop`. A client that finds no room is served without a slot, and should be told so.
    pub(crate) async fn run<F>(
        self,
        tasks: TaskTracker,
        stop: CancellationToken,
        serve: impl Fn(TcpStream, Option<Slot>) -> F + Clone + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
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
                    self.deal(client, &tasks, serve.clone());
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

    /// Gives a client to a data thread, whose reactor watches its socket from then on.
    fn deal<F>(
        &self,
        client: TcpStream,
        tasks: &TaskTracker,
        serve: impl FnOnce(TcpStream, Option<Slot>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let slot = self.room.enter(self.config.load().limits.max_connections);
        // Fails only for a client that is gone, or for want of memory.
        let (Some(berth), Ok(client)) = (self.plane.berth(), client.into_std()) else {
            return;
        };
        let runtime = berth.handle().clone();
        let session = async move {
            if let Ok(client) = TcpStream::from_std(client) {
                serve(client, slot).await;
            }
            drop(berth);
        };
        tasks.spawn_on(session, &runtime);
    }
}

fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
