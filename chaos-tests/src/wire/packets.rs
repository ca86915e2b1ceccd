//! Framing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// Most bytes of one packet; what is longer goes in several.
pub const PART_MAX: usize = 0xff_ffff;

/// One connection's packets.
#[derive(Debug)]
pub(super) struct Packets {
    stream: BufReader<TcpStream>,
    /// The number that the next packet must bear.
    next: u8,
}

impl Packets {
    /// Dials.
    pub(super) fn connect(address: &str, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            next: 0,
        })
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// A new command begins.
    pub(super) fn restart(&mut self) {
        self.next = 0;
    }

    /// Sends one packet, in as many parts as it takes.
    pub(super) fn send(&mut self, payload: &[u8]) -> Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 8);
        let mut rest = payload;
        loop {
            let (part, left) = rest.split_at(rest.len().min(PART_MAX));
            bytes.extend_from_slice(&u32::try_from(part.len())?.to_le_bytes()[..3]);
            bytes.push(self.next);
            bytes.extend_from_slice(part);
            self.next = self.next.wrapping_add(1);
            rest = left;
            if part.len() < PART_MAX {
                break;
            }
        }
        self.stream.get_mut().write_all(&bytes).context("sending a packet")
    }

    /// Takes one packet, whatever its number is.
    pub(super) fn receive_any(&mut self) -> Result<Vec<u8>> {
        let ahead = self.stream.fill_buf().context("waiting for a packet")?.get(3).copied();
        self.next = ahead.unwrap_or(self.next);
        self.receive()
    }

    /// Takes one packet, put together from its parts.
    pub(super) fn receive(&mut self) -> Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head).context("waiting for a packet")?;
            let length = usize::try_from(u32::from_le_bytes([head[0], head[1], head[2], 0]))?;
            ensure!(
                head[3] == self.next,
                "packet {} came where {} was due",
                head[3],
                self.next
            );
            self.next = self.next.wrapping_add(1);
            let before = payload.len();
            payload.resize(before + length, 0);
            self.stream
                .read_exact(&mut payload[before..])
                .context("reading a packet")?;
            if length < PART_MAX {
                return Ok(payload);
            }
        }
    }
}

/// Reads fields off the front of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// So many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((front, rest)) = self.0.split_at_checked(length) else {
            bail!("a packet ends early: {length} bytes wanted, {} left", self.0.len());
        };
        self.0 = rest;
        Ok(front)
    }

    /// A little-endian number of `width` bytes.
    pub(super) fn number(&mut self, width: usize) -> Result<u64> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(wide))
    }

    /// A number whose first byte tells its width; none for NULL.
    pub(super) fn length(&mut self) -> Result<Option<u64>> {
        Ok(Some(match self.number(1)? {
            0xfb => return Ok(None),
            0xfc => self.number(2)?,
            0xfd => self.number(3)?,
            0xfe => self.number(8)?,
            short => short,
        }))
    }

    /// Bytes with their length in front; none for NULL.
    pub(super) fn bytes(&mut self) -> Result<Option<&'a [u8]>> {
        match self.length()? {
            Some(length) => self.take(usize::try_from(length)?).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes up to a zero.
    pub(super) fn terminated(&mut self) -> Result<&'a [u8]> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .context("no end of a string")?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }
}

/// Bytes with their length in front.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len() as u64;
    match length {
        0..0xfb => out.extend_from_slice(&length.to_le_bytes()[..1]),
        0xfb..0x1_0000 => {
            out.push(0xfc);
            out.extend_from_slice(&length.to_le_bytes()[..2]);
        }
        0x1_0000..0x100_0000 => {
            out.push(0xfd);
            out.extend_from_slice(&length.to_le_bytes()[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&length.to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}
