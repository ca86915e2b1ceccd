//! The router's side towards a client: greeting, TLS, who it is.
//!
//! The last word is the server's: after this the session logs in as the client and forwards the server's OK or ERR under
//! the next number, so that locked accounts, missing databases and connection limits read as without a router.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::accounts::Unread;
use super::change::Change;
use super::flags::{CONNECT_ATTRS, CONNECT_WITH_DB, PHASE, PLUGIN_AUTH_LENENC, SECURE_CONNECTION, SSL};
use super::front::Front;
use super::hello::Hello;
use super::identify::{Claim, Verdict, identify, scramble};
use super::login::Login;
use super::native::{self, Scramble};
use super::packet::{PHASE_MAX, PacketError, Packets};
use super::pattern::Origin;
use super::response::{self, Response};
use super::server_error::ServerError;
use super::stream::ClientStream;

/// SERVER_STATUS_AUTOCOMMIT.
const AUTOCOMMIT: u16 = 2;

/// Number of the packet that a client awaits once it has answered the greeting.
const BEHIND_ANSWER: u8 = 2;

/// Who connects.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// From where, as the server will see it.
    pub(crate) origin: Origin,
    /// The router's own number for the connection.
    pub(crate) connection: u32,
}

/// A client whose password is right, and who waits for an OK or an ERR.
#[derive(Debug)]
pub(crate) struct Greeted<S> {
    pub(crate) stream: ClientStream<S>,
    pub(crate) login: Login,
    /// Number of the packet that the client waits for.
    pub(crate) sequence: u8,
    /// What its next COM_CHANGE_USER answers.
    pub(crate) scramble: Scramble,
}

/// Why a client did not get that far. Where it could be told, it has been.
#[derive(Debug, Error)]
pub(crate) enum GreetError {
    /// It left, or sent no packets.
    #[error("the client broke off the handshake")]
    Gone(#[from] PacketError),
    /// It took too long.
    #[error("the client did not finish the handshake within {0:?}")]
    TooSlow(Duration),
    /// No TLS session.
    #[error("no TLS session with the client")]
    Tls(#[source] io::Error),
    /// It was sent away.
    #[error("the client was refused: {0}")]
    Refused(ServerError),
    /// The router stops.
    #[error("the router stops")]
    Stopping,
    /// The servers' accounts are not known.
    #[error(transparent)]
    Unread(#[from] Unread),
}

/// Counts only the time that the client takes.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    left: Duration,
}

impl Patience {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, left: limit }
    }

    pub(super) async fn spend<T, E: Into<GreetError>>(
        &mut self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, GreetError> {
        let begun = Instant::now();
        let done = timeout(self.left, step).await;
        self.left = self.left.saturating_sub(begun.elapsed());
        done.map_err(|_| GreetError::TooSlow(self.limit))?.map_err(Into::into)
    }
}

/// Greets a client and finds out who it is. One that has not answered when `stopping` comes is sent away.
pub(crate) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    front: &Front,
    peer: &Peer,
    stopping: &CancellationToken,
) -> Result<Greeted<S>, GreetError> {
    let mut patience = Patience::new(front.handshake());
    let known = stopping.run_until_cancelled(front.accounts.any(front.patience()));
    let version = match known.await {
        Some(Ok(snapshot)) => snapshot.version.clone(),
        Some(Err(unread)) => {
            farewell(&mut stream, 0, &unavailable(&unread), &mut patience).await;
            return Err(unread.into());
        }
        None => {
            farewell(&mut stream, 0, &stops(), &mut patience).await;
            return Err(GreetError::Stopping);
        }
    };
    let hello = Hello {
        version,
        connection: peer.connection,
        scramble: scramble(),
        capabilities: offered(front),
        collation: front.collation,
        status: AUTOCOMMIT,
        plugin: native::PLUGIN.to_owned(),
    };
    let mut packets = Packets::new(&mut stream, 0);
    patience.spend(packets.write(&hello.packet())).await?;
    let Some(answer) = stopping
        .run_until_cancelled(patience.spend(packets.read(PHASE_MAX)))
        .await
    else {
        farewell(&mut stream, BEHIND_ANSWER, &stops(), &mut patience).await;
        return Err(GreetError::Stopping);
    };
    let mut packet = answer?;
    let mut next = packets.next();
    let mut stream = match &front.tls {
        Some(tls) if response::asks_for_tls(&packet) => {
            let acceptor = tls.acceptor();
            let accepted = async { acceptor.accept(stream).await.map_err(GreetError::Tls) };
            let mut stream = ClientStream::Tls(Box::new(patience.spend(accepted).await?));
            let mut packets = Packets::new(&mut stream, next);
            packet = patience.spend(packets.read(PHASE_MAX)).await?;
            next = packets.next();
            stream
        }
        Some(_) | None => ClientStream::Plain(stream),
    };
    let asked = receive(&mut stream, front, peer, (&packet, next), &hello, &mut patience).await;
    match asked {
        Ok((login, sequence)) => Ok(Greeted {
            stream,
            login,
            sequence,
            scramble: hello.scramble,
        }),
        Err((error, sequence)) => {
            match &error {
                GreetError::Refused(refusal) => farewell(&mut stream, sequence, refusal, &mut patience).await,
                GreetError::Unread(unread) => {
                    farewell(&mut stream, sequence, &unavailable(unread), &mut patience).await;
                }
                GreetError::Gone(_) | GreetError::TooSlow(_) | GreetError::Tls(_) | GreetError::Stopping => {}
            }
            Err(error)
        }
    }
}

/// Judges the response. With an error comes the number of the packet that tells the client.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut ClientStream<S>,
    front: &Front,
    peer: &Peer,
    (packet, next): (&[u8], u8),
    hello: &Hello,
    patience: &mut Patience,
) -> Result<(Login, u8), (GreetError, u8)> {
    let refuse = |refusal| (GreetError::Refused(refusal), next);
    let response = Response::parse(packet).ok_or_else(|| refuse(bad_handshake()))?;
    let tls = stream.is_tls();
    if !tls && front.tls.as_ref().is_some_and(|tls| tls.required()) {
        return Err(refuse(insecure()));
    }
    if response.capabilities & SECURE_CONNECTION == 0 {
        return Err(refuse(too_old()));
    }
    let user = text(response.user);
    let claim = Claim {
        user: &user,
        plugin: response.plugin,
        answer: response.answer,
        scramble: &hello.scramble,
        origin: &peer.origin,
        tls,
    };
    let mut packets = Packets::new(stream, next);
    let verdict = identify(&mut packets, front, &claim, patience).await;
    let sequence = packets.next();
    let secret = settle(verdict, sequence)?;
    let login = Login {
        user,
        database: response.database.map(text),
        capabilities: response.capabilities & hello.capabilities,
        collation: response.collation,
        attributes: response.attributes.to_vec(),
        max_packet: response.max_packet,
        secret,
    };
    Ok((login, sequence))
}

/// The client's own COM_CHANGE_USER on a session that it began as `before`. Returns the new login and the number of the
/// packet that the client waits for; a refused client has been told so and keeps its session, as at a server.
pub(crate) async fn change<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut ClientStream<S>,
    front: &Front,
    peer: &Peer,
    packet: &[u8],
    before: &Login,
    scramble: &Scramble,
) -> Result<(Login, u8), GreetError> {
    let mut patience = Patience::new(front.handshake());
    let tls = stream.is_tls();
    let mut packets = Packets::new(stream, 1);
    let Some(change) = Change::parse(packet, before.capabilities | PHASE) else {
        let refusal = bad_handshake();
        patience.spend(packets.write(&refusal.packet())).await?;
        return Err(GreetError::Refused(refusal));
    };
    let user = text(change.user);
    let claim = Claim {
        user: &user,
        plugin: change.plugin,
        answer: change.answer,
        scramble,
        origin: &peer.origin,
        tls,
    };
    let verdict = identify(&mut packets, front, &claim, &mut patience).await;
    let sequence = packets.next();
    let secret = match settle(verdict, sequence) {
        Ok(secret) => secret,
        Err((error, _)) => {
            let refusal = match &error {
                GreetError::Refused(refusal) => refusal.clone(),
                GreetError::Unread(unread) => unavailable(unread),
                GreetError::Gone(_) | GreetError::TooSlow(_) | GreetError::Tls(_) | GreetError::Stopping => {
                    return Err(error);
                }
            };
            patience.spend(packets.write(&refusal.packet())).await?;
            return Err(error);
        }
    };
    let collation = change.collation.and_then(|it| u8::try_from(it).ok());
    let login = Login {
        user,
        database: change.database.map(text),
        capabilities: before.capabilities,
        collation: collation.unwrap_or(before.collation),
        attributes: change.attributes.to_vec(),
        max_packet: before.max_packet,
        secret,
    };
    Ok((login, sequence))
}

fn settle(verdict: Result<Verdict, GreetError>, sequence: u8) -> Result<super::secret::Secret, (GreetError, u8)> {
    match verdict {
        Ok(Verdict::Known(secret)) => Ok(secret),
        Ok(Verdict::Refused(refusal)) => Err((GreetError::Refused(refusal), sequence)),
        Err(error) => Err((error, sequence)),
    }
}

fn offered(front: &Front) -> u64 {
    let tls = if front.tls.is_some() { SSL } else { 0 };
    front.offered & !SSL | tls | PHASE | PLUGIN_AUTH_LENENC | CONNECT_ATTRS | CONNECT_WITH_DB
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Tells the client why and says goodbye. It may have gone; then nobody needs the answer.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    sequence: u8,
    refusal: &ServerError,
    patience: &mut Patience,
) {
    let told = patience
        .spend(Packets::new(stream, sequence).write(&refusal.packet()))
        .await;
    if told.is_ok() {
        let closed = async { stream.shutdown().await.map_err(PacketError::Io) };
        let _ = patience.spend(closed).await;
    }
}

fn bad_handshake() -> ServerError {
    ServerError::new(1043, *b"08S01", "Bad handshake")
}

fn too_old() -> ServerError {
    let text = "Client does not support authentication protocol requested by server; consider upgrading MariaDB client";
    ServerError::new(1251, *b"08004", text)
}

fn insecure() -> ServerError {
    let text = "Connections using insecure transport are prohibited by the router (`client_tls.required`); use TLS";
    ServerError::new(3159, *b"08004", text)
}

/// ER_SERVER_SHUTDOWN, as everybody is told who comes when the router stops.
fn stops() -> ServerError {
    ServerError::new(
        1053,
        *b"08S01",
        "quorate router: this router is being stopped; connect again",
    )
}

/// ER_SERVER_SHUTDOWN, which drivers and pools retry.
fn unavailable(unread: &Unread) -> ServerError {
    ServerError::new(1053, *b"08S01", format!("quorate router: {unread}"))
}
