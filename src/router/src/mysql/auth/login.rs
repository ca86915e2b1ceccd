//! The router as its client at a server.

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::change::Change;
use super::ed25519;
use super::fields::Fields;
use super::flags::{CONNECT_ATTRS, CONNECT_WITH_DB, LONG_PASSWORD, PHASE, PLUGIN_AUTH_LENENC, SSL};
use super::hello::Hello;
use super::native::{self, Scramble};
use super::packet::{PHASE_MAX, PacketError, Packets};
use super::response::Response;
use super::secret::{Secret, Unanswerable};
use super::server_error::ServerError;
use super::switch::Switch;

/// Most rounds of one login; accounts have two or three methods.
const ROUNDS_MAX: usize = 8;

/// Who a client is and what it asked for.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) database: Option<String>,
    /// What the client and the router agreed on; MariaDB's own bits in the upper half.
    pub(crate) capabilities: u64,
    pub(crate) collation: u8,
    /// Keys and values, each length-encoded, as they came.
    pub(crate) attributes: Vec<u8>,
    pub(crate) max_packet: u32,
    pub(crate) secret: Secret,
}

/// A server that has let the client in.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// The server's number for the connection. After [`change_user`] it is the same.
    pub(crate) thread_id: u32,
    /// Status flags of its OK.
    pub(crate) status: u16,
    pub(crate) version: String,
    /// What was agreed with the server.
    pub(crate) capabilities: u64,
    /// What the next [`change_user`] is answered against.
    pub(crate) scramble: Scramble,
}

/// Why a server did not let the client in.
#[derive(Debug, Error)]
pub(crate) enum LoginError {
    /// The server's own verdict, for the client to read.
    #[error("the server refuses the login: {0}")]
    Refused(ServerError),
    /// It asks for what the router does not have.
    #[error(transparent)]
    Unanswerable(#[from] Unanswerable),
    /// The connection broke.
    #[error("the login at the server did not come to its end")]
    Packet(#[from] PacketError),
    /// A packet that does not belong into a login.
    #[error("the server sent an unexpected packet during the login ({0})")]
    Unexpected(&'static str),
}

/// Logs in on a stream whose next byte is the server's greeting. `wanted` are the capabilities beyond those of the login
/// itself; what the server lacks is left out.
pub(crate) async fn login<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    login: &Login,
    wanted: u64,
) -> Result<Accepted, LoginError> {
    let mut packets = Packets::new(stream, 0);
    let packet = packets.read(PHASE_MAX).await?;
    if let Some(error) = ServerError::parse(&packet) {
        return Err(LoginError::Refused(error));
    }
    let hello = Hello::parse(&packet).ok_or(LoginError::Unexpected("no greeting of protocol 10"))?;
    let capabilities = agreed(login, wanted, hello.capabilities);
    let plugin = login.secret.plugin();
    let answer = first_answer(&login.secret, &hello.scramble)?;
    let response = Response {
        capabilities,
        max_packet: login.max_packet,
        collation: login.collation,
        user: login.user.as_bytes(),
        answer: &answer,
        database: login.database.as_deref().map(str::as_bytes),
        plugin: Some(plugin.as_bytes()),
        attributes: &login.attributes,
    };
    packets.write(&Zeroizing::new(response.packet())).await?;
    let (ok, scramble) = converse(&mut packets, &login.secret, hello.scramble).await?;
    accepted(hello.connection, hello.version, capabilities, scramble, &ok)
}

/// Logs in anew on a connection that is idle: everything of its session is dropped, as by the server's own rules.
/// A refusal leaves it unusable.
pub(crate) async fn change_user<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    login: &Login,
    before: &Accepted,
) -> Result<Accepted, LoginError> {
    let mut packets = Packets::new(stream, 0);
    let answer = first_answer(&login.secret, &before.scramble)?;
    let change = Change {
        user: login.user.as_bytes(),
        answer: &answer,
        database: login.database.as_deref().map(str::as_bytes),
        collation: Some(u16::from(login.collation)),
        plugin: Some(login.secret.plugin().as_bytes()),
        attributes: &login.attributes,
    };
    packets
        .write(&Zeroizing::new(change.packet(before.capabilities)))
        .await?;
    let (ok, scramble) = converse(&mut packets, &login.secret, before.scramble).await?;
    accepted(
        before.thread_id,
        before.version.clone(),
        before.capabilities,
        scramble,
        &ok,
    )
}

/// Nothing is signed before the server has sent a scramble of the right kind.
fn first_answer(secret: &Secret, scramble: &Scramble) -> Result<Zeroizing<Vec<u8>>, Unanswerable> {
    if secret.plugin() == ed25519::PLUGIN {
        return Ok(Zeroizing::default());
    }
    secret.answer(native::PLUGIN, scramble)
}

/// Without `LONG_PASSWORD`, by which the server knows that MariaDB's own bits follow.
fn agreed(login: &Login, wanted: u64, offered: u64) -> u64 {
    let mut wanted = wanted & !(LONG_PASSWORD | SSL | CONNECT_WITH_DB) | PHASE | PLUGIN_AUTH_LENENC | CONNECT_ATTRS;
    if login.database.is_some() {
        wanted |= CONNECT_WITH_DB;
    }
    wanted & (offered | PHASE)
}

/// Answers until the server is content or not. Returns its OK and the scramble that it will expect answers to.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut Packets<'_, S>,
    secret: &Secret,
    mut scramble: Scramble,
) -> Result<(Vec<u8>, Scramble), LoginError> {
    let mut unanswerable = None;
    for _ in 0..ROUNDS_MAX {
        let packet = packets.read(PHASE_MAX).await?;
        match packet.first() {
            Some(0) => return Ok((packet.to_vec(), scramble)),
            Some(0xff) => {
                let error =
                    ServerError::parse(&packet).ok_or(LoginError::Unexpected("an ERR packet without a code"))?;
                return Err(LoginError::Refused(error));
            }
            Some(0xfe) => {
                let switch = Switch::parse(&packet).ok_or(LoginError::Unexpected("a malformed request to switch"))?;
                if switch.plugin == native::PLUGIN
                    && let Some(fresh) = switch.scramble.first_chunk()
                {
                    scramble = *fresh;
                }
                // An account with several methods is asked for each in turn: a wrong answer leads to the next.
                let answer = secret.answer(switch.plugin, switch.scramble).unwrap_or_else(|error| {
                    unanswerable = Some(error);
                    Zeroizing::new(vec![0; ed25519::ANSWER_LEN])
                });
                packets.write(&answer).await?;
            }
            _ => return Err(LoginError::Unexpected("neither OK, ERR nor a request to switch")),
        }
    }
    Err(LoginError::Unexpected("too many requests to switch"))
}

fn accepted(
    thread_id: u32,
    version: String,
    capabilities: u64,
    scramble: Scramble,
    ok: &[u8],
) -> Result<Accepted, LoginError> {
    let status = status(ok).ok_or(LoginError::Unexpected("a malformed OK"))?;
    Ok(Accepted {
        thread_id,
        status,
        version,
        capabilities,
        scramble,
    })
}

fn status(ok: &[u8]) -> Option<u16> {
    let mut fields = Fields::new(ok);
    fields.u8()?;
    fields.number()?;
    fields.number()?;
    fields.u16()
}
