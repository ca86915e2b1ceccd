//! One open link: frames in, newest of everything out.

use std::time::Duration;

use quorate_api::link::{FromSupervisor, LinkError, ToSupervisor, receive, send};
use quorate_api::tls::{PeerName, Role};
use quorate_model::{LeaseGrant, Order, RouteTable};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, split};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::{Gate, LinkEvent, Outbox};
use crate::core::Input;

/// A peer that says nothing for so long is gone; agents, routers and supervisors all speak several times a second.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A peer that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be sent to a peer.
#[derive(Debug)]
pub(super) struct Sources {
    orders: watch::Receiver<Option<Order>>,
    leases: watch::Receiver<Option<LeaseGrant>>,
    routes: watch::Receiver<Option<RouteTable>>,
    /// Kept for peers that get no orders, so that the channels stay open.
    _unused: Option<Outbox>,
}

/// How a session ended.
#[derive(Debug)]
pub(super) struct End {
    /// By a reset or an end of file.
    pub(super) reset: bool,
    /// For the log.
    pub(super) why: String,
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self {
            reset: error.is_closed(),
            why: error.to_string(),
        }
    }
}

/// The queues of a new session; the core gets the writing end of an agent's.
pub(super) fn queues(agent: bool, gate: &Gate) -> (Option<Outbox>, Sources) {
    let (orders, ordered) = watch::channel(None);
    let (leases, leased) = watch::channel(None);
    let outbox = Outbox { orders, leases };
    let mut routes = gate.routes.clone();
    routes.mark_changed();
    let (given, kept) = if agent {
        (Some(outbox), None)
    } else {
        (None, Some(outbox))
    };
    (
        given,
        Sources {
            orders: ordered,
            leases: leased,
            routes,
            _unused: kept,
        },
    )
}

/// Runs a session until one side ends it.
pub(super) async fn run(
    peer: &PeerName,
    stream: impl AsyncRead + AsyncWrite,
    sources: Sources,
    core: &mpsc::Sender<Input>,
) -> End {
    let (from, to) = split(stream);
    // Neither direction survives the other, so a frame cut in half by the end of the select harms nothing.
    tokio::select! {
        end = read(peer, BufReader::new(from), core) => end,
        end = write(peer.role, to, sources) => end,
    }
}

async fn read(peer: &PeerName, mut from: impl AsyncRead + Unpin, core: &mpsc::Sender<Input>) -> End {
    loop {
        let frame = match timeout(SILENCE_MAX, receive::<ToSupervisor>(&mut from)).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(error)) => return error.into(),
            Err(_) => {
                return End {
                    reset: false,
                    why: format!("silent for {SILENCE_MAX:?}"),
                };
            }
        };
        if !speaks_for(peer, &frame) {
            return End {
                reset: false,
                why: "it spoke for somebody else".to_owned(),
            };
        }
        if core.send(Input::Link(LinkEvent::Frame(frame))).await.is_err() {
            return End {
                reset: false,
                why: "stopping".to_owned(),
            };
        }
    }
}

fn speaks_for(peer: &PeerName, frame: &ToSupervisor) -> bool {
    let (role, name) = match frame {
        ToSupervisor::Agent(report) => (Role::Agent, report.node.as_str()),
        ToSupervisor::Router(report) => (Role::Router, report.router.as_str()),
        ToSupervisor::Voter(view) => (Role::Supervisor, view.voter.as_str()),
    };
    role == peer.role && name == peer.name
}

async fn write(role: Role, mut to: impl AsyncWrite + Unpin, mut sources: Sources) -> End {
    loop {
        let frame = tokio::select! {
            biased;
            changed = sources.orders.changed() => match changed {
                Ok(()) => sources.orders.borrow_and_update().clone().map(FromSupervisor::Order),
                Err(_) => return replaced(),
            },
            changed = sources.leases.changed() => match changed {
                Ok(()) => sources.leases.borrow_and_update().clone().map(FromSupervisor::Lease),
                Err(_) => return replaced(),
            },
            changed = sources.routes.changed(), if role == Role::Router => match changed {
                Ok(()) => sources.routes.borrow_and_update().clone().map(FromSupervisor::Routes),
                Err(_) => return replaced(),
            },
        };
        let Some(frame) = frame else { continue };
        match timeout(SEND_TIMEOUT, send(&mut to, &frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => {
                return End {
                    reset: false,
                    why: format!("took nothing for {SEND_TIMEOUT:?}"),
                };
            }
        }
    }
}

fn replaced() -> End {
    End {
        reset: false,
        why: "replaced or stopping".to_owned(),
    }
}
