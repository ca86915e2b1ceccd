//! Moves bytes. Buffers begin small and grow with what is moved, so that idle connections cost little.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// First size of a buffer.
const SMALL: usize = 2 * 1024;
/// Largest size of a buffer.
const LARGE: usize = 64 * 1024;

/// A buffer that grows when it is filled.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn new() -> Self {
        Self(vec![0; SMALL])
    }

    /// Reads what is there; empty at the end.
    pub(crate) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<&[u8]> {
        let len = from.read(&mut self.0).await?;
        if len == self.0.len() && len < LARGE {
            self.0.resize(len.saturating_mul(4).min(LARGE), 0);
        }
        Ok(&self.0[..len])
    }
}

/// Copies until the end, an error, or until `may_pass` says no to a piece.
pub(crate) async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut may_pass: impl FnMut() -> bool,
) -> io::Result<()> {
    let mut buffer = Buffer::new();
    loop {
        let piece = buffer.read(from).await?;
        if piece.is_empty() || !may_pass() {
            return Ok(());
        }
        to.write_all(piece).await?;
        to.flush().await?;
    }
}
