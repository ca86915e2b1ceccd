//! One packet at a time, read to its last byte and not one further: what follows may belong to TLS or to a tunnel.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

/// Longest packet of the connection phase. Servers stop at `MAX_PACKET_LENGTH` of the phase too, clients stay below 2 KiB.
pub(crate) const PHASE_MAX: usize = 64 * 1024;

/// Longest payload of one packet on the wire.
const CHUNK_MAX: usize = 0xff_ffff;

/// Why there is no packet.
#[derive(Debug, Error)]
pub(crate) enum PacketError {
    /// The connection ended or broke.
    #[error("the connection is broken")]
    Io(#[from] io::Error),
    /// Longer than the caller allows.
    #[error("a packet of more than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// Its number is not the next one.
    #[error("packet {got} came in place of {expected}")]
    OutOfOrder {
        /// The number that was due.
        expected: u8,
        /// The number that came.
        got: u8,
    },
}

/// Counts the packets of one exchange and carries them.
#[derive(Debug)]
pub(crate) struct Packets<'a, S> {
    stream: &'a mut S,
    next: u8,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Packets<'a, S> {
    /// The next packet in either direction has this number.
    pub(crate) const fn new(stream: &'a mut S, next: u8) -> Self {
        Self { stream, next }
    }

    /// Number of the next packet.
    pub(crate) const fn next(&self) -> u8 {
        self.next
    }

    /// Reads one packet, continuations included. It is wiped when dropped: answers to scrambles are in it.
    pub(crate) async fn read(&mut self, max: usize) -> Result<Zeroizing<Vec<u8>>, PacketError> {
        let mut packet = Zeroizing::new(Vec::new());
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head).await?;
            let [a, b, c, number] = head;
            let len = u32::from_le_bytes([a, b, c, 0]) as usize;
            if number != self.next {
                return Err(PacketError::OutOfOrder {
                    expected: self.next,
                    got: number,
                });
            }
            let from = packet.len();
            let end = from.saturating_add(len);
            if end > max {
                return Err(PacketError::TooLong { max });
            }
            self.next = number.wrapping_add(1);
            packet.resize(end, 0);
            self.stream
                .read_exact(packet.get_mut(from..).unwrap_or_default())
                .await?;
            if len < CHUNK_MAX {
                return Ok(packet);
            }
        }
    }

    /// Writes one packet, which is shorter than 16 MiB, and flushes it.
    pub(crate) async fn write(&mut self, payload: &[u8]) -> Result<(), PacketError> {
        let bytes = framed(self.next, payload)?;
        self.next = self.next.wrapping_add(1);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }
}

/// A packet with its head.
fn framed(number: u8, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, PacketError> {
    if payload.len() >= CHUNK_MAX {
        return Err(PacketError::TooLong { max: CHUNK_MAX });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(payload.len().saturating_add(4)));
    bytes.extend((payload.len() as u64).to_le_bytes().iter().take(3));
    bytes.push(number);
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_no_byte_more() {
        let (mut here, mut there) = tokio::io::duplex(64);
        Packets::new(&mut here, 3).write(b"hello").await.unwrap();
        here.write_all(b"tail").await.unwrap();
        let mut packets = Packets::new(&mut there, 3);
        assert_eq!(packets.read(5).await.unwrap()[..], *b"hello");
        assert_eq!(packets.next(), 4);
        let mut tail = [0; 4];
        there.read_exact(&mut tail).await.unwrap();
        assert_eq!(&tail, b"tail");
    }

    #[tokio::test]
    async fn a_long_packet_and_a_wrong_number_are_refused_before_they_are_read() {
        let (mut here, mut there) = tokio::io::duplex(64);
        here.write_all(&[0xff, 0xff, 0xff, 0]).await.unwrap();
        let long = Packets::new(&mut there, 0).read(PHASE_MAX).await;
        assert!(matches!(long, Err(PacketError::TooLong { .. })), "{long:?}");
        here.write_all(&[1, 0, 0, 7]).await.unwrap();
        let wrong = Packets::new(&mut there, 0).read(PHASE_MAX).await;
        assert!(
            matches!(wrong, Err(PacketError::OutOfOrder { got: 7, .. })),
            "{wrong:?}"
        );
    }
}
