//! Events of a binlog or relay-log file, version 4, read without the server.
//!
//! ```text
//! fe 'b' 'i' 'n' │ header (19): time 4, type 1, server id 4, size 4, end 4, flags 2 │ body │ crc32 4 │ next header …
//! ```
//!
//! Only what positions need is understood: where transactions begin and end and which GTIDs they carry. A torn end
//! (the server was killed or the machine lost power while writing) is where reading stops, not an error.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use quorate_model::Gtid;

use super::LogError;

const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
const HEADER_BYTES: usize = 19;
const CHECKSUM_BYTES: usize = 4;
/// Larger than any event a server writes (`max_allowed_packet` is at most 1 GiB).
const EVENT_BYTES_MAX: u32 = 1 << 30;

const QUERY: u8 = 2;
const INTVAR: u8 = 5;
const RAND: u8 = 13;
const USER_VAR: u8 = 14;
const FORMAT_DESCRIPTION: u8 = 15;
const XID: u8 = 16;
const XA_PREPARE: u8 = 38;
const ANNOTATE_ROWS: u8 = 160;
const GTID: u8 = 162;
const GTID_LIST: u8 = 163;
const START_ENCRYPTION: u8 = 164;

const GTID_STANDALONE: u8 = 1;

/// What an event means for positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A transaction (or a single statement) begins.
    Begin {
        /// Its GTID.
        gtid: Gtid,
        /// It consists of the next statement only.
        standalone: bool,
    },
    /// The transaction ends.
    End,
    /// Prefixes a statement without being it.
    Context,
    /// A statement or rows.
    Work,
    /// The state of the log when this file was begun.
    List(Vec<Gtid>),
    /// Belongs to the file, not to a transaction: format, rotation, heartbeats.
    Artificial,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it begins in the file.
    pub offset: u64,
    /// What it means.
    pub kind: Kind,
}

/// Reads one file from its beginning.
#[derive(Debug)]
pub struct EventReader<R = BufReader<File>> {
    input: R,
    path: PathBuf,
    offset: u64,
    checksummed: bool,
}

impl EventReader {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read or is no log. An empty or torn file is not an error: it has no events.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|source| LogError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::new(BufReader::with_capacity(64 * 1024, file), path)
    }
}

impl<R: Read> EventReader<R> {
    /// Reads from anything; `path` is for errors.
    ///
    /// # Errors
    /// See [`EventReader::open`].
    pub fn new(input: R, path: &Path) -> Result<Self, LogError> {
        let mut reader = Self {
            input,
            path: path.to_owned(),
            offset: 0,
            checksummed: false,
        };
        let mut magic = [0; MAGIC.len()];
        if reader.fill(&mut magic)? && magic != MAGIC {
            return Err(LogError::NotALog { path: path.to_owned() });
        }
        Ok(reader)
    }

    /// Where the next event begins, or where the readable part ends.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next whole event; `None` at the end of the file or of its readable part.
    ///
    /// # Errors
    /// The file cannot be read, or a whole event makes no sense.
    pub fn next_event(&mut self) -> Result<Option<Event>, LogError> {
        let offset = self.offset;
        let mut bytes = vec![0; HEADER_BYTES];
        if !self.fill(&mut bytes)? {
            return Ok(None);
        }
        let size = le_u32(&bytes, 9).unwrap_or_default();
        if size > EVENT_BYTES_MAX || (size as usize) < HEADER_BYTES {
            let zeroes = bytes.iter().all(|byte| *byte == 0);
            return self.torn_or_damaged(offset, zeroes, "its length makes no sense");
        }
        bytes.resize(size as usize, 0);
        if !self.fill(bytes.get_mut(HEADER_BYTES..).unwrap_or_default())? {
            self.offset = offset;
            return Ok(None);
        }
        let kind = bytes.get(4).copied().unwrap_or_default();
        if kind == FORMAT_DESCRIPTION {
            self.checksummed = declares_checksums(&bytes);
        }
        let Some(body) = self.body(&bytes) else {
            return self.torn_or_damaged(offset, true, "its checksum is wrong");
        };
        let server = le_u32(&bytes, 5).unwrap_or_default();
        let kind = interpret(kind, server, body).map_err(|detail| LogError::Damaged {
            path: self.path.clone(),
            offset,
            detail,
        })?;
        Ok(Some(Event { offset, kind }))
    }

    /// The event without header and checksum; `None` if the checksum is wrong.
    fn body<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if !self.checksummed {
            return bytes.get(HEADER_BYTES..);
        }
        let end = bytes.len().checked_sub(CHECKSUM_BYTES)?;
        let (covered, sum) = bytes.split_at_checked(end)?;
        let mut covered_as_summed = covered;
        let patched;
        // The in-use flag of a format description is cleared when the file is closed, after the sum was taken.
        if covered.get(4) == Some(&FORMAT_DESCRIPTION) {
            let mut copy = covered.to_vec();
            if let Some(flags) = copy.get_mut(17) {
                *flags &= !1;
            }
            patched = copy;
            covered_as_summed = &patched;
        }
        let good = le_u32(sum, 0) == Some(crc32fast::hash(covered_as_summed));
        good.then(|| covered.get(HEADER_BYTES..)).flatten()
    }

    /// A bad event at the very end was being written when the machine stopped, and a block that was allocated but not
    /// written reads as zeroes. With anything else behind it, a bad event was whole once: what follows cannot be
    /// passed over in silence.
    fn torn_or_damaged(
        &mut self,
        offset: u64,
        torn_so_far: bool,
        detail: &'static str,
    ) -> Result<Option<Event>, LogError> {
        let mut rest = [0; 4096];
        let mut torn = torn_so_far;
        while torn {
            match self.input.read(&mut rest) {
                Ok(0) => {
                    self.offset = offset;
                    return Ok(None);
                }
                Ok(n) => torn = rest.iter().take(n).all(|byte| *byte == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(LogError::Read {
                        path: self.path.clone(),
                        source,
                    });
                }
            }
        }
        Err(LogError::Damaged {
            path: self.path.clone(),
            offset,
            detail,
        })
    }

    /// Fills the buffer; false at the end of the file.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, LogError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.offset += buffer.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(LogError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

fn interpret(kind: u8, server: u32, body: &[u8]) -> Result<Kind, &'static str> {
    Ok(match kind {
        GTID => {
            let seq = le_u64(body, 0).ok_or("a GTID event is too short")?;
            let domain = le_u32(body, 8).ok_or("a GTID event is too short")?;
            let flags = body.get(12).copied().ok_or("a GTID event is too short")?;
            Kind::Begin {
                gtid: Gtid { domain, server, seq },
                standalone: flags & GTID_STANDALONE != 0,
            }
        }
        GTID_LIST => Kind::List(gtid_list(body).ok_or("a GTID list is too short")?),
        XID | XA_PREPARE => Kind::End,
        QUERY if ends_transaction(query_text(body).ok_or("a query event is too short")?) => Kind::End,
        INTVAR | RAND | USER_VAR | ANNOTATE_ROWS => Kind::Context,
        START_ENCRYPTION => return Err("it is encrypted"),
        // Rows and table maps of both generations, compressed ones included, and LOAD DATA blocks.
        QUERY | 9..=12 | 17..=26 | 30..=32 | 165..=172 => Kind::Work,
        _ => Kind::Artificial,
    })
}

/// The algorithm byte sits before the checksum at the end of the format description.
fn declares_checksums(bytes: &[u8]) -> bool {
    bytes.len().checked_sub(CHECKSUM_BYTES + 1).and_then(|at| bytes.get(at)) == Some(&1)
}

fn gtid_list(body: &[u8]) -> Option<Vec<Gtid>> {
    // The upper four bits are flags.
    let count = le_u32(body, 0)? & 0x0fff_ffff;
    (0..count as usize)
        .map(|i| {
            let at = 4 + i * 16;
            Some(Gtid {
                domain: le_u32(body, at)?,
                server: le_u32(body, at + 4)?,
                seq: le_u64(body, at + 8)?,
            })
        })
        .collect()
}

/// The statement of a query event: after the fixed part come status variables, the schema and a zero.
fn query_text(body: &[u8]) -> Option<&[u8]> {
    let schema = usize::from(*body.get(8)?);
    let status = usize::from(u16::from_le_bytes(body.get(11..13)?.try_into().ok()?));
    body.get(13 + status + schema + 1..)
}

fn ends_transaction(statement: &[u8]) -> bool {
    statement == b"COMMIT"
        || statement == b"ROLLBACK"
        || statement.starts_with(b"XA COMMIT")
        || statement.starts_with(b"XA ROLLBACK")
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
