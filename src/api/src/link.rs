//! Frames between the roles: a big-endian `u32` length and that many bytes of JSON.

use std::io;

use quorate_model::{
    AgentReport, ClusterId, Epoch, LeaseGrant, NodeId, Order, RouteTable, RouterId, RouterReport, SupervisorId,
    VoterView,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Version of the frames below. A peer with another version is refused by name.
pub const PROTOCOL: u32 = 1;

/// Longest frame in bytes. The largest honest frame (a report with every finding) is below 64 KiB.
pub const FRAME_MAX: usize = 1024 * 1024;

/// First frame of a link, from the dialling side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The deployment that the peer belongs to.
    pub cluster: ClusterId,
    /// Who dials; must equal the name in its certificate.
    pub peer: Peer,
}

/// Who dials a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum Peer {
    /// An agent.
    Agent {
        /// Its node.
        node: NodeId,
    },
    /// A router.
    Router {
        /// Its id.
        router: RouterId,
    },
    /// Another supervisor.
    Supervisor {
        /// Its id.
        supervisor: SupervisorId,
    },
}

/// Answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "welcome")]
pub enum Welcome {
    /// Go on.
    Accepted {
        /// Who answered.
        supervisor: SupervisorId,
    },
    /// The connection is closed after this frame.
    Refused {
        /// Why, for programs.
        code: RefusalCode,
        /// Why and what to do, for people.
        why: String,
    },
}

/// Why a peer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Another protocol version.
    Protocol,
    /// Another cluster.
    ForeignCluster,
    /// The certificate names somebody else.
    WrongName,
    /// Not declared.
    UnknownPeer,
    /// An epoch lower than promised.
    StaleEpoch,
    /// An epoch that is not open here (yet).
    NotOpen,
    /// Not in the set that is admitted.
    NotAdmitted,
    /// A limit is reached.
    Busy,
}

/// Frames towards a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToSupervisor {
    /// From an agent.
    Agent(Box<AgentReport>),
    /// From a router.
    Router(RouterReport),
    /// From another supervisor.
    Voter(VoterView),
}

/// Frames from a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromSupervisor {
    /// To an agent.
    Order(Order),
    /// To an agent.
    Lease(LeaseGrant),
    /// To a router.
    Routes(RouteTable),
}

/// First frame of a connection to a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorHello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The deployment that the peer belongs to.
    pub cluster: ClusterId,
    /// The epoch under which the peer comes.
    pub epoch: Epoch,
    /// What for.
    pub purpose: Purpose,
}

/// What a connection to a door is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "purpose")]
pub enum Purpose {
    /// An application's MySQL connection.
    Client {
        /// The router that carries it.
        router: RouterId,
        /// Whether it needs the primary.
        write: bool,
        /// Wants to wait for a while if the door is not open yet, and leaves by itself once its epoch has ended.
        #[serde(default)]
        waits: bool,
    },
    /// A replica's receiving thread.
    Replicate {
        /// The replica.
        node: NodeId,
    },
    /// A primary asks for a failsafe lease: [`FailsafeAsk`] and [`FailsafeGrant`] frames follow.
    Failsafe {
        /// The primary.
        node: NodeId,
    },
}

/// Answer to [`DoorHello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "welcome")]
pub enum DoorWelcome {
    /// Raw bytes (or failsafe frames) follow.
    Admitted {
        /// The door's epoch.
        epoch: Epoch,
    },
    /// The connection is closed after this frame.
    Refused {
        /// Why, for programs.
        code: RefusalCode,
        /// The door's epoch.
        epoch: Epoch,
        /// Why, for people.
        why: String,
    },
}

/// A primary asks one ack-set member to confirm no revocation for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailsafeAsk {
    /// The primary's epoch.
    pub epoch: Epoch,
    /// Number of the question; the primary counts the lease from when it sent it.
    pub seq: u64,
    /// Give back what was granted instead (the primary is fenced).
    pub release: bool,
}

/// The member's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailsafeGrant {
    /// The primary's epoch.
    pub epoch: Epoch,
    /// The question that it answers.
    pub seq: u64,
    /// For how long, in milliseconds; 0 is a refusal.
    pub ttl_ms: u64,
}

/// Why a frame could not be sent or received.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The connection broke or ended.
    #[error("the link broke")]
    Io(#[source] io::Error),
    /// The peer announced or we built a frame over the limit.
    #[error("frame of {len} bytes is over the limit of {FRAME_MAX}")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// The frame is not what the protocol expects here.
    #[error("frame is not understood; peers of different versions? {0}")]
    Malformed(String),
}

impl LinkError {
    /// Whether the peer closed the connection in order or by a reset, rather than something else failing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Io(error) if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        ))
    }
}

/// A frame ready to be written, so that one encoding can go to several peers.
///
/// # Errors
/// [`LinkError::TooLong`] if it exceeds [`FRAME_MAX`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, LinkError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).map_err(|error| LinkError::Malformed(error.to_string()))?;
    let len = frame.len().saturating_sub(4);
    match u32::try_from(len) {
        Ok(prefix) if len <= FRAME_MAX => {
            frame[..4].copy_from_slice(&prefix.to_be_bytes());
            Ok(frame)
        }
        _ => Err(LinkError::TooLong { len }),
    }
}

/// Sends one frame. Not cancel-safe: a dropped send leaves half a frame, so the link must then be dropped too.
///
/// # Errors
/// If the link breaks or the frame is too long.
pub async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<(), LinkError> {
    let frame = encode(message)?;
    to.write_all(&frame).await.map_err(LinkError::Io)?;
    to.flush().await.map_err(LinkError::Io)
}

/// Receives one frame. Not cancel-safe: give each direction a task of its own, or drop the link with the future.
///
/// # Errors
/// If the link breaks, the frame is too long, or it is not a `T`.
pub async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> Result<T, LinkError> {
    let len = from.read_u32().await.map_err(LinkError::Io)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > FRAME_MAX {
        return Err(LinkError::TooLong { len });
    }
    let mut frame = vec![0; len];
    from.read_exact(&mut frame).await.map_err(LinkError::Io)?;
    serde_json::from_slice(&frame).map_err(|error| LinkError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_round_trip_and_limits_hold() {
        let (mut a, mut b) = tokio::io::duplex(64);
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: "c".into(),
            peer: Peer::Agent { node: "m1".into() },
        };
        let sent = hello.clone();
        let sender = async { send(&mut a, &sent).await.unwrap() };
        let ((), got) = tokio::join!(sender, receive::<Hello>(&mut b));
        assert_eq!(got.unwrap(), hello);

        a.write_u32(u32::MAX).await.unwrap();
        assert!(matches!(receive::<Hello>(&mut b).await, Err(LinkError::TooLong { .. })));
        a.write_all(&[0, 0, 0, 2, b'{', b'}']).await.unwrap();
        assert!(matches!(receive::<Hello>(&mut b).await, Err(LinkError::Malformed(_))));
        drop(a);
        assert!(receive::<Hello>(&mut b).await.unwrap_err().is_closed());
        assert!(matches!(encode(&"x".repeat(FRAME_MAX)), Err(LinkError::TooLong { .. })));
    }
}
