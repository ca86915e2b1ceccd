//! From a TCP connection to keys.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::keys::Keys;
use super::stream::Sealed;
use super::{broken, tls};

/// Most that a peer may send in a handshake.
const FLIGHT_MAX_BYTES: usize = 128 * 1024;

/// What the handshake needs next.
enum Need {
    More,
    Send,
    Nothing,
    Done,
}

/// Shakes hands over `socket`. The configuration must allow to extract secrets, and the peer must speak TLS 1.3.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    mut socket: TcpStream,
) -> io::Result<Sealed> {
    let mut connection = UnbufferedClientConnection::new(config, name).map_err(tls)?;
    let (mut incoming, mut outgoing) = (Vec::new(), Vec::new());
    loop {
        let (used, need) = step(&mut connection, &mut incoming, &mut outgoing)?;
        incoming.drain(..used);
        match need {
            Need::Nothing => {}
            Need::Send => {
                socket.write_all(&outgoing).await?;
                outgoing.clear();
            }
            Need::More => {
                if incoming.len() > FLIGHT_MAX_BYTES {
                    return Err(broken("a handshake without an end"));
                }
                if socket.read_buf(&mut incoming).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Need::Done => break,
        }
    }
    let (secrets, connection) = connection.dangerous_into_kernel_connection().map_err(tls)?;
    Sealed::new(socket, Keys::new(secrets, connection)?, incoming)
}

/// One step; says how many incoming bytes were used.
fn step(
    connection: &mut UnbufferedClientConnection,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
) -> io::Result<(usize, Need)> {
    let UnbufferedStatus { discard, state, .. } = connection.process_tls_records(incoming);
    let need = match state.map_err(tls)? {
        ConnectionState::EncodeTlsData(mut data) => {
            let start = outgoing.len();
            // Asking with no room tells how much is needed.
            if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                outgoing.resize(start.saturating_add(size.required_size), 0);
                let room = outgoing.get_mut(start..).unwrap_or_default();
                data.encode(room).map_err(io::Error::other)?;
            }
            Need::Nothing
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Need::Send
        }
        ConnectionState::BlockedHandshake => Need::More,
        ConnectionState::WriteTraffic(_) => Need::Done,
        _ => return Err(broken("a peer that ends or speaks before it was greeted")),
    };
    Ok((discard, need))
}
