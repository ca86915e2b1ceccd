//! The side that serves and gives away.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_api::link::{self, LinkError};
use quorate_model::{Epoch, RouteTable};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::message::{Answer, Drained, Handed, Identity, Named, Take, path_of};
use super::pass;

/// Longest wait for the other's next word; it has bound its other addresses by then.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Pause after a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);

/// What may be taken over. Removes its path when dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    identity: Identity,
    path: PathBuf,
    door: UnixListener,
    names: Vec<Named>,
    sockets: Vec<OwnedFd>,
}

/// Who took over.
#[derive(Debug)]
pub(crate) struct Successor(UnixStream);

impl Offer {
    /// Opens the door for a successor. A path left by a router that was killed is replaced.
    pub(crate) fn open(state_file: &Path, identity: Identity) -> io::Result<Self> {
        let path = path_of(state_file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let door = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self {
            identity,
            path,
            door,
            names: Vec::new(),
            sockets: Vec::new(),
        })
    }

    /// One more socket.
    pub(crate) fn add(&mut self, name: &str, address: std::net::SocketAddr, socket: impl AsFd) -> io::Result<()> {
        self.sockets.push(socket.as_fd().try_clone_to_owned()?);
        let name = name.to_owned();
        self.names.push(Named { name, address });
        Ok(())
    }

    /// Waits for somebody who takes over. Who only asks, or is somebody else, changes nothing.
    pub(crate) async fn taken(self) -> Successor {
        loop {
            let asked = match self.door.accept().await {
                Ok((stream, _)) => timeout(ANSWER_MAX, self.answer(stream)).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a process that may want to take over");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            match asked {
                Ok(Ok(successor)) => return successor,
                Ok(Err(why)) => tracing::warn!(why, "a process asked to take over, and did not"),
                Err(_) => tracing::warn!("a process asked to take over, and then said nothing more"),
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> Result<Successor, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let peer = socket_peercred(&stream).map_err(|error| text(&error))?;
        let asks: Identity = link::receive(&mut stream).await.map_err(|error| text(&error))?;
        let why = if peer.uid != geteuid() && !peer.uid.is_root() {
            Some("it runs as another user".to_owned())
        } else if asks != self.identity {
            Some(format!("it is {asks:?}, and this is {:?}", self.identity))
        } else {
            None
        };
        if let Some(why) = why {
            let refused = Answer::Refused { why: why.clone() };
            link::send(&mut stream, &refused).await.map_err(|error| text(&error))?;
            return Err(why);
        }
        let offered = Answer::Offered(self.names.clone());
        link::send(&mut stream, &offered).await.map_err(|error| text(&error))?;
        pass::send(&stream, &self.sockets).await.map_err(|error| text(&error))?;
        let Take = link::receive(&mut stream).await.map_err(|error| text(&error))?;
        Ok(Successor(stream))
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // It may have been replaced or removed by hand.
        let _ = fs::remove_file(&self.path);
    }
}

impl Successor {
    /// Tells it that it may serve: links, disk and listeners have been let go.
    pub(crate) async fn hand(&mut self, table: Option<RouteTable>) -> Result<(), LinkError> {
        link::send(&mut self.0, &Handed { table }).await
    }
}

/// Follows the successor's tables and tells it which epochs have been left, until it or we are gone.
pub(crate) async fn obey(successor: Successor, tables: mpsc::Sender<RouteTable>, mut drained: watch::Receiver<Epoch>) {
    let (mut from, mut to) = successor.0.into_split();
    let follow = async {
        while let Ok(table) = link::receive::<RouteTable>(&mut from).await {
            if tables.send(table).await.is_err() {
                return;
            }
        }
    };
    let tell = async {
        drained.mark_changed();
        while drained.changed().await.is_ok() {
            let below = *drained.borrow_and_update();
            if link::send(&mut to, &Drained { below }).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = tell => {}
    }
}
