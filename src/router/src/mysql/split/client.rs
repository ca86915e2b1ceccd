//! The application's side of a session: its stream, and what it has sent but is not yet dealt with.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::mysql::auth::stream::ClientStream;

/// Room that a read is given; most commands fit into it.
const READ_BYTES: usize = 4 * 1024;
/// A buffer that grew beyond this is given back when it is empty.
const KEEP_BYTES: usize = 64 * 1024;

/// A client's connection and what was read of it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: ClientStream<TcpStream>,
    /// Begins at a packet's header.
    pub(super) inbound: BytesMut,
}

impl Client {
    pub(super) fn new(stream: ClientStream<TcpStream>) -> Self {
        Self {
            stream,
            inbound: BytesMut::new(),
        }
    }

    /// Reads more, whatever has come. Dropping it loses nothing.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        self.inbound.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.inbound).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads until so many bytes are there.
    pub(super) async fn fill_to(&mut self, len: usize) -> io::Result<()> {
        while self.inbound.len() < len {
            let missing = len.saturating_sub(self.inbound.len());
            self.inbound.reserve(missing.max(READ_BYTES));
            self.fill().await?;
        }
        Ok(())
    }

    /// Gives back memory that an idle session does not need. `all` is for sessions that have been idle for long.
    pub(super) fn shrink(&mut self, all: bool) {
        if self.inbound.is_empty() && (all || self.inbound.capacity() > KEEP_BYTES) {
            self.inbound = BytesMut::new();
        }
    }

    /// Writes everything and flushes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}
