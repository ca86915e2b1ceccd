//! Reads a binlog over a connection, to its end and not beyond: what a replica would read, without becoming one.

use std::io;

use bytes::{Buf as _, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::mysql::auth::packet::{PacketError, Packets};
use crate::mysql::auth::rows::{QueryError, query};
use crate::mysql::auth::server_error::ServerError;
use crate::mysql::wire::packet::{HEADER_BYTES, Malformed, PACKET_MAX, header};

/// First byte of the command.
const COM_BINLOG_DUMP: u8 = 0x12;
/// End at the end of the binlog; send texts of statements.
const NON_BLOCKING_WITH_ANNOTATIONS: u16 = 0x01 | 0x02;
/// Read at a time.
const READ_BYTES: usize = 64 * 1024;
/// What is kept of one event: all but its largest rows and texts.
const EVENT_MAX: usize = 1024 * 1024;

/// Why there is no event.
#[derive(Debug, Error)]
pub(super) enum DumpError {
    /// The connection is broken.
    #[error("the connection broke while the binlog was read ({0})")]
    Broken(#[from] io::Error),
    /// Before the dump began.
    #[error("the binlog could not be asked for ({0})")]
    Ask(#[from] QueryError),
    /// The command was not sent.
    #[error("the binlog could not be asked for ({0})")]
    Send(#[from] PacketError),
    /// The server has no such position, or the account may not read it.
    #[error("the primary does not show its binlog ({0})")]
    Refused(String),
    /// Not a binlog.
    #[error("the primary's binlog cannot be read ({0})")]
    Malformed(#[from] Malformed),
    /// Longer than the limit.
    #[error("more than {bytes_max} bytes of binlog were written since; `scan_bytes_max` bounds what is read")]
    TooLong {
        /// The limit.
        bytes_max: u64,
    },
}

/// A binlog as it comes.
#[derive(Debug)]
pub(super) struct Dump<S> {
    stream: S,
    buffer: BytesMut,
    event: Vec<u8>,
    bytes: u64,
}

/// One event.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) event: &'a [u8],
    /// Only its beginning is there.
    pub(super) cut: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dump<S> {
    /// Asks for everything after a GTID. Strictly: the server refuses if it does not have exactly this one, instead of
    /// beginning somewhere near it.
    pub(super) async fn after(mut stream: S, gtid: &str) -> Result<Self, DumpError> {
        // The checksum as in the file: the format description says whether events end with one. The capability is the level
        // that knows GTIDs. One statement, since sessions wait for each round trip.
        let sql = format!(
            "SET @master_binlog_checksum = @@GLOBAL.binlog_checksum, @mariadb_slave_capability = 4, \
             @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0, @slave_connect_state = '{gtid}'"
        );
        query(&mut stream, &sql).await?;
        let mut command = vec![COM_BINLOG_DUMP];
        command.extend_from_slice(&4_u32.to_le_bytes());
        command.extend_from_slice(&NON_BLOCKING_WITH_ANNOTATIONS.to_le_bytes());
        // Server id 0: nobody's, so that no other reader is taken for a dead one and ended.
        command.extend_from_slice(&0_u32.to_le_bytes());
        Packets::new(&mut stream, 0).write(&command).await?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(READ_BYTES),
            event: Vec::new(),
            bytes: 0,
        })
    }

    /// How much was read so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next event; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Piece<'_>>, DumpError> {
        let whole = self.packet().await?;
        match self.event.first() {
            Some(0xff) => Err(DumpError::Refused(
                ServerError::parse(&self.event)
                    .map_or_else(|| "without a reason".to_owned(), |error| error.to_string()),
            )),
            Some(0xfe) if self.event.len() < 9 => Ok(None),
            _ => Ok(Some(Piece {
                event: self.event.get(1..).unwrap_or_default(),
                cut: whole > self.event.len(),
            })),
        }
    }

    /// Reads one packet with its continuations, keeps its beginning and returns its whole length.
    async fn packet(&mut self) -> Result<usize, DumpError> {
        self.event.clear();
        let mut whole = 0_usize;
        loop {
            let len = loop {
                if let Some((len, _)) = header(&self.buffer) {
                    break len;
                }
                self.fill().await?;
            };
            self.buffer.advance(HEADER_BYTES);
            let mut left = len as usize;
            whole = whole.saturating_add(left);
            while left > 0 {
                if self.buffer.is_empty() {
                    self.fill().await?;
                }
                let there = self.buffer.len().min(left);
                let kept = there.min(EVENT_MAX.saturating_sub(self.event.len()));
                self.event
                    .extend_from_slice(self.buffer.get(..kept).unwrap_or_default());
                self.buffer.advance(there);
                left = left.saturating_sub(there);
            }
            if len < PACKET_MAX {
                return Ok(whole);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.buffer).await?;
        self.bytes = self.bytes.saturating_add(read as u64);
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
