//! The side that takes over.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use quorate_api::link::{self, LinkError};
use quorate_model::{Epoch, RouteTable};
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::message::{Answer, Drained, Handed, Identity, Named, Take, path_of};
use super::pass;
use crate::core::route::Route;

/// Longest wait for the other's answer; before the last one it lets go of links and disk.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// No connection at all is left: the process is gone.
const ALL: Epoch = Epoch(u64::MAX);

/// What a running router offers.
#[derive(Debug)]
pub(crate) struct Claimed {
    stream: UnixStream,
    sockets: Vec<(Named, TcpListener)>,
}

/// The router that was taken over, which still has clients.
#[derive(Debug)]
pub(crate) struct Predecessor {
    stream: UnixStream,
    drained: watch::Sender<Epoch>,
}

/// Why nothing was handed over.
#[derive(Debug, Error)]
pub(crate) enum NotHanded {
    /// It cannot be asked.
    #[error("it cannot be asked")]
    Ask(#[source] io::Error),
    /// It breaks off.
    #[error("it broke off")]
    Talk(#[source] LinkError),
    /// It says no.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It says nothing.
    #[error("it says nothing")]
    TooSlow,
    /// It names more sockets than it sends.
    #[error("it sent {sent} sockets, not {named}")]
    Sockets {
        /// How many were announced.
        named: usize,
        /// How many came.
        sent: usize,
    },
}

/// Asks a running router for what it has; none if none runs.
pub(crate) async fn claim(state_file: &Path, identity: &Identity) -> Result<Option<Claimed>, NotHanded> {
    let stream = match UnixStream::connect(path_of(state_file)).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(NotHanded::Ask(error)),
    };
    timeout(ANSWER_MAX, ask(stream, identity))
        .await
        .unwrap_or(Err(NotHanded::TooSlow))
        .map(Some)
}

async fn ask(mut stream: UnixStream, identity: &Identity) -> Result<Claimed, NotHanded> {
    link::send(&mut stream, identity).await.map_err(NotHanded::Talk)?;
    let names = match link::receive(&mut stream).await.map_err(NotHanded::Talk)? {
        Answer::Offered(names) => names,
        Answer::Refused { why } => return Err(NotHanded::Refused(why)),
    };
    let sent = pass::receive(&stream).await.map_err(NotHanded::Ask)?;
    if sent.len() != names.len() {
        let (named, sent) = (names.len(), sent.len());
        return Err(NotHanded::Sockets { named, sent });
    }
    let sockets = names.into_iter().zip(sent.into_iter().map(TcpListener::from));
    Ok(Claimed {
        stream,
        sockets: sockets.collect(),
    })
}

impl Claimed {
    /// The socket for this field, if it listens where it is wanted now. Port 0 means whatever port it has.
    pub(crate) fn socket(&mut self, name: &str, wanted: SocketAddr) -> Option<TcpListener> {
        let fits = |(named, _): &(Named, TcpListener)| {
            named.name == name
                && named.address.ip() == wanted.ip()
                && (wanted.port() == 0 || named.address.port() == wanted.port())
        };
        let at = self.sockets.iter().position(fits)?;
        Some(self.sockets.swap_remove(at).1)
    }

    /// Takes over. From the answer on the other one accepts nobody and talks to no supervisor; sockets that were not asked
    /// for are closed. Says which table it followed.
    pub(crate) async fn take(self) -> Result<(Option<RouteTable>, Predecessor), NotHanded> {
        let Self { mut stream, sockets } = self;
        drop(sockets);
        let taken = async {
            link::send(&mut stream, &Take).await?;
            link::receive::<Handed>(&mut stream).await
        };
        let handed = timeout(ANSWER_MAX, taken).await;
        let Handed { table } = handed.map_err(|_| NotHanded::TooSlow)?.map_err(NotHanded::Talk)?;
        let drained = watch::Sender::new(Epoch::ZERO);
        Ok((table, Predecessor { stream, drained }))
    }
}

impl Predecessor {
    /// Below which epoch it has no connection left.
    pub(crate) fn drained(&self) -> watch::Receiver<Epoch> {
        self.drained.subscribe()
    }

    /// Tells it every table, and hears what it has left, until it is gone; its connections are gone with it.
    pub(crate) async fn lead(self, mut routes: watch::Receiver<Route>) {
        let Self { stream, drained } = self;
        let (mut from, mut to) = stream.into_split();
        let tell = async {
            routes.mark_changed();
            while routes.changed().await.is_ok() {
                let table = routes.borrow_and_update().table().cloned();
                if let Some(table) = table
                    && link::send(&mut to, &*table).await.is_err()
                {
                    break;
                }
            }
        };
        let hear = async {
            while let Ok(Drained { below }) = link::receive(&mut from).await {
                drained.send_replace(below);
            }
        };
        // A failure to tell is followed by the end of what is heard.
        let tell = async {
            tell.await;
            pending::<()>().await;
        };
        tokio::select! {
            () = hear => {}
            () = tell => {}
        }
        drained.send_replace(ALL);
        tracing::info!("the router that was taken over has ended");
    }
}

/// The lower of two epochs, whenever one of them rises.
pub(crate) async fn lower_of(
    mut ours: watch::Receiver<Epoch>,
    mut theirs: watch::Receiver<Epoch>,
    lower: watch::Sender<Epoch>,
) {
    loop {
        let now = (*ours.borrow_and_update()).min(*theirs.borrow_and_update());
        lower.send_if_modified(|last| {
            let risen = *last < now;
            *last = now.max(*last);
            risen
        });
        let ended = tokio::select! {
            changed = ours.changed() => changed.is_err(),
            changed = theirs.changed() => changed.is_err() && ours.changed().await.is_err(),
        };
        if ended {
            return;
        }
    }
}
