//! A replica's stream: everything down, and up only what its place in the ack set allows.

use std::io;

use tokio::io::{AsyncWriteExt as _, ReadHalf};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::gate::Pass;
use super::packets::Upstream;
use super::pump::{Buffer, pump};

/// Relays until either side ends or the pass is cut.
pub(super) async fn relay(replica: TlsStream<TcpStream>, server: UnixStream, pass: Pass) -> io::Result<()> {
    let (mut from_replica, mut to_replica) = tokio::io::split(replica);
    let (mut from_server, mut to_server) = server.into_split();
    let acks = pass.acks.clone();
    tokio::select! {
        biased;
        () = pass.cut.cancelled() => Ok(()),
        ended = upward(&mut from_replica, &mut to_server, acks) => ended,
        ended = pump(&mut from_server, &mut to_replica, || !pass.cut.is_cancelled()) => ended,
    }
}

async fn upward(
    from: &mut ReadHalf<TlsStream<TcpStream>>,
    to: &mut OwnedWriteHalf,
    mut acks: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut upstream = Upstream::default();
    let mut buffer = Buffer::new();
    let mut out = Vec::new();
    loop {
        out.clear();
        tokio::select! {
            changed = acks.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                if *acks.borrow_and_update() && let Some(ack) = upstream.release() {
                    out = ack;
                }
            }
            piece = buffer.read(from) => {
                let piece = piece?;
                if piece.is_empty() {
                    return Ok(());
                }
                let able = *acks.borrow();
                upstream.pass(piece, able, &mut out).map_err(io::Error::other)?;
            }
        }
        to.write_all(&out).await?;
    }
}
