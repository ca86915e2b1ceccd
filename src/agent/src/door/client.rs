//! A client's bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::gate::Pass;
use super::pump::pump;

/// Relays until either side ends, the pass is cut, or the lease is over. Nothing is sent on after that, not even what was
/// read before: an agent that was stopped meanwhile must not serve from the past.
pub(super) async fn relay(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: UnixStream,
    pass: &Pass,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        biased;
        () = pass.cut.cancelled() => Ok(()),
        ended = pump(&mut from_client, &mut to_server, || pass.holds()) => ended,
        ended = pump(&mut from_server, &mut to_client, || pass.holds()) => ended,
    }
}
