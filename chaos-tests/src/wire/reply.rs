//! One reply: its packets, and what they say.

use std::fmt;

use anyhow::{Context as _, Result, ensure};

use super::field::{Column, binary_row, text_row};
use super::packets::{Fields, Packets};
use super::words::caps;

/// A server's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Its number.
    pub code: u16,
    /// Its SQL state and text.
    pub text: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    pub(super) fn parse(packet: &[u8]) -> Result<Self> {
        let mut fields = Fields(packet);
        fields.take(1)?;
        Ok(Self {
            code: u16::try_from(fields.number(2)?)?,
            text: String::from_utf8_lossy(fields.0).into_owned(),
        })
    }
}

/// How a statement or a result set ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With success.
    Ok {
        /// Rows that were changed.
        affected: u64,
        /// The first generated id.
        insert_id: u64,
        /// The server's status flags.
        status: u16,
        /// How many warnings there are.
        warnings: u16,
    },
    /// With an error.
    Failed(ServerError),
}

/// One result: rows, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The values, as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// How it ended.
    pub end: End,
}

/// Everything that a server sent in answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The packets, as they came.
    pub packets: Vec<Vec<u8>>,
    /// What they say.
    pub sets: Vec<Set>,
    /// Which packets are an EOF between columns and rows.
    pub column_ends: Vec<usize>,
}

impl Reply {
    /// The error, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&ServerError> {
        self.sets.iter().find_map(|set| match &set.end {
            End::Failed(error) => Some(error),
            End::Ok { .. } => None,
        })
    }

    /// The packets, without what cannot be known of them in advance: an EOF between columns and rows says of the statement how
    /// many warnings there are, whether it uses an index and whether another one follows, and a router that has the columns only does not know it yet.
    #[must_use]
    pub fn comparable(&self) -> Vec<Vec<u8>> {
        let known = !(NO_GOOD_INDEX | NO_INDEX | MORE_RESULTS | OUT_PARAMS);
        let mut packets = self.packets.clone();
        for at in &self.column_ends {
            if let Some([0xfe, warnings @ .., low, high]) = packets.get_mut(*at).map(Vec::as_mut_slice) {
                warnings.fill(0);
                let status = u16::from_le_bytes([*low, *high]) & known;
                [*low, *high] = status.to_le_bytes();
            }
        }
        packets
    }

    /// The status flags after the last result.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.sets.last().map(|set| &set.end) {
            Some(End::Ok { status, .. }) => *status,
            Some(End::Failed(_)) | None => 0,
        }
    }
}

/// Flags of a status.
const MORE_RESULTS: u16 = 0x8;
const NO_GOOD_INDEX: u16 = 0x10;
const NO_INDEX: u16 = 0x20;
const OUT_PARAMS: u16 = 0x1000;
const CURSOR: u16 = 0x40;

/// Takes a reply in.
pub(super) struct Reader<'a> {
    pub(super) packets: &'a mut Packets,
    pub(super) caps: u64,
    pub(super) binary: bool,
    /// What to answer when the server asks for a file.
    pub(super) files: &'a mut Vec<Vec<u8>>,
    pub(super) chunk: usize,
    /// The columns of a statement that was prepared before, should the server leave them out.
    pub(super) known: &'a [Column],
    pub(super) kept: Vec<Vec<u8>>,
    pub(super) seen: Vec<Column>,
    pub(super) column_ends: Vec<usize>,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Vec<u8>> {
        let packet = self.packets.receive()?;
        self.kept.push(packet.clone());
        Ok(packet)
    }

    /// A whole reply.
    pub(super) fn reply(mut self) -> Result<(Reply, Vec<Column>)> {
        let mut sets = Vec::new();
        loop {
            let set = self.set()?;
            let more = matches!(set.end, End::Ok { status, .. } if status & MORE_RESULTS != 0);
            sets.push(set);
            if !more {
                let reply = Reply {
                    packets: self.kept,
                    sets,
                    column_ends: self.column_ends,
                };
                return Ok((reply, self.seen));
            }
        }
    }

    /// The rows that a cursor hands out.
    pub(super) fn fetched(mut self) -> Result<Reply> {
        let columns = self.known.to_vec();
        let set = self.rows(&columns)?;
        Ok(Reply {
            packets: self.kept,
            sets: vec![set],
            column_ends: Vec::new(),
        })
    }

    fn set(&mut self) -> Result<Set> {
        let first = self.next()?;
        match first.first() {
            Some(0x00) => end_without_rows(&first),
            Some(0xff) => Ok(failed(&first)?),
            Some(0xfb) => self.file(),
            _ => self.columns_and_rows(&first),
        }
    }

    /// The server asks for a file: chunks, then an empty packet.
    fn file(&mut self) -> Result<Set> {
        let file = if self.files.is_empty() {
            Vec::new()
        } else {
            self.files.remove(0)
        };
        for chunk in file.chunks(self.chunk) {
            self.packets.send(chunk)?;
        }
        self.packets.send(&[])?;
        self.set()
    }

    fn columns_and_rows(&mut self, first: &[u8]) -> Result<Set> {
        let mut fields = Fields(first);
        let count = usize::try_from(fields.length()?.context("a result without columns")?)?;
        let follow = self.caps & caps::CACHE_METADATA == 0 || fields.number(1)? != 0;
        let mut columns = Vec::with_capacity(count);
        if follow {
            for _ in 0..count {
                let packet = self.next()?;
                columns.push(Column::parse(&packet, self.caps & caps::EXTENDED_METADATA != 0)?);
            }
        } else {
            ensure!(self.known.len() == count, "columns were left out that nobody knows");
            columns.extend_from_slice(self.known);
        }
        self.seen.clone_from(&columns);
        if self.caps & caps::DEPRECATE_EOF == 0 {
            let eof = self.next()?;
            ensure!(
                eof.first() == Some(&0xfe) && eof.len() == 5,
                "no end of the columns: {eof:?}"
            );
            let end = end_of_file(&eof)?;
            self.column_ends.push(self.kept.len() - 1);
            if matches!(end, End::Ok { status, .. } if status & CURSOR != 0) {
                return Ok(Set {
                    columns: names(&columns),
                    rows: Vec::new(),
                    end,
                });
            }
        }
        self.rows(&columns)
    }

    fn rows(&mut self, columns: &[Column]) -> Result<Set> {
        let mut rows = Vec::new();
        loop {
            let packet = self.next()?;
            let end = match packet.first() {
                Some(0xff) => End::Failed(ServerError::parse(&packet)?),
                Some(0xfe) if packet.len() < 0xff_ffff && self.caps & caps::DEPRECATE_EOF != 0 => ok(&packet)?,
                Some(0xfe) if packet.len() == 5 => end_of_file(&packet)?,
                _ => {
                    rows.push(if self.binary {
                        binary_row(&packet, columns)?
                    } else {
                        text_row(&packet, columns.len())?
                    });
                    continue;
                }
            };
            return Ok(Set {
                columns: names(columns),
                rows,
                end,
            });
        }
    }
}

fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

fn end_without_rows(packet: &[u8]) -> Result<Set> {
    Ok(Set {
        columns: Vec::new(),
        rows: Vec::new(),
        end: ok(packet)?,
    })
}

fn ok(packet: &[u8]) -> Result<End> {
    let mut fields = Fields(packet);
    fields.take(1)?;
    Ok(End::Ok {
        affected: fields.length()?.unwrap_or_default(),
        insert_id: fields.length()?.unwrap_or_default(),
        status: u16::try_from(fields.number(2)?)?,
        warnings: u16::try_from(fields.number(2)?)?,
    })
}

fn failed(packet: &[u8]) -> Result<Set> {
    Ok(Set {
        columns: Vec::new(),
        rows: Vec::new(),
        end: End::Failed(ServerError::parse(packet)?),
    })
}

fn end_of_file(packet: &[u8]) -> Result<End> {
    let mut fields = Fields(packet);
    fields.take(1)?;
    let warnings = u16::try_from(fields.number(2)?)?;
    Ok(End::Ok {
        affected: 0,
        insert_id: 0,
        status: u16::try_from(fields.number(2)?)?,
        warnings,
    })
}
