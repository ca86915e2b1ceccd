//! Packets that the router makes itself: answers to clients and commands to servers.

use bytes::BytesMut;

use super::capabilities::Dialect;
use super::command::Command;
use super::ok::{EOF, ERR, EofPacket, OK, Status};
use super::packet::{HEADER_BYTES, PACKET_MAX, header_bytes, lenenc, narrow};

/// `utf8mb3_general_ci`, which every client since 4.1 knows.
const COLLATION: u16 = 33;
const TYPE_VAR_STRING: u8 = 0xfd;
/// What a server sends for strings.
const DECIMALS_OF_STRINGS: u8 = 39;

/// What an OK of the router's own says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OkFields<'a> {
    /// Affected rows.
    pub(crate) affected_rows: u64,
    /// Last insert id.
    pub(crate) last_insert_id: u64,
    /// Flags; nothing is tracked, so STATE_CHANGED is dropped.
    pub(crate) status: Status,
    /// Number of warnings.
    pub(crate) warnings: u16,
    /// Text.
    pub(crate) info: &'a str,
}

/// An OK packet.
pub(crate) fn put_ok(out: &mut BytesMut, sequence: u8, ok: &OkFields<'_>) {
    packet(out, sequence, |out| ok_payload(out, OK, ok));
}

/// What ends a result set, or answers the few commands that are answered by an EOF.
pub(crate) fn put_end(out: &mut BytesMut, dialect: Dialect, sequence: u8, status: Status, warnings: u16) {
    if dialect.deprecate_eof {
        let ok = OkFields {
            status,
            warnings,
            ..OkFields::default()
        };
        packet(out, sequence, |out| ok_payload(out, EOF, &ok));
    } else {
        put_eof(out, sequence, status, warnings);
    }
}

fn put_eof(out: &mut BytesMut, sequence: u8, status: Status, warnings: u16) {
    let status = status.without(Status::STATE_CHANGED);
    packet(out, sequence, |out| {
        out.extend_from_slice(&EofPacket { warnings, status }.payload());
    });
}

/// An ERR packet.
pub(crate) fn put_err(out: &mut BytesMut, sequence: u8, code: u16, sqlstate: [u8; 5], text: &str) {
    packet(out, sequence, |out| {
        out.extend_from_slice(&[ERR]);
        out.extend_from_slice(&code.to_le_bytes());
        out.extend_from_slice(b"#");
        out.extend_from_slice(&sqlstate);
        out.extend_from_slice(text.as_bytes());
    });
}

/// Writes a text result set of strings, in the order head, rows, end.
#[derive(Debug)]
pub(crate) struct TextResult<'a> {
    out: &'a mut BytesMut,
    dialect: Dialect,
    sequence: u8,
    status: Status,
}

impl<'a> TextResult<'a> {
    /// Writes the columns. `sequence` is that of the first packet: the command's plus one.
    pub(crate) fn begin(
        out: &'a mut BytesMut,
        dialect: Dialect,
        sequence: u8,
        status: Status,
        columns: &[&str],
    ) -> Self {
        let mut result = Self {
            out,
            dialect,
            sequence,
            status,
        };
        result.next(|dialect, out| {
            put_lenenc(out, columns.len() as u64);
            if dialect.cache_metadata {
                out.extend_from_slice(&[1]);
            }
        });
        for column in columns {
            result.next(|dialect, out| column_definition(out, dialect, column));
        }
        if !dialect.deprecate_eof {
            put_eof(result.out, result.sequence, status, 0);
            result.sequence = result.sequence.wrapping_add(1);
        }
        result
    }

    /// Writes a row, with as many values as there are columns.
    pub(crate) fn row(&mut self, values: &[Option<&str>]) {
        self.next(|_, out| {
            for value in values {
                match value {
                    Some(value) => put_string(out, value.as_bytes()),
                    None => out.extend_from_slice(&[0xfb]),
                }
            }
        });
    }

    /// Writes the end.
    pub(crate) fn end(self) {
        put_end(self.out, self.dialect, self.sequence, self.status, 0);
    }

    fn next(&mut self, fill: impl FnOnce(Dialect, &mut BytesMut)) {
        let dialect = self.dialect;
        packet(self.out, self.sequence, |out| fill(dialect, out));
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// A command made of `parts` (the first begins with the command byte), split as its length demands. Returns the number
/// of packets.
pub(crate) fn put_command(out: &mut BytesMut, sequence: u8, parts: &[&[u8]]) -> u8 {
    let mut left = parts
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.len() as u64));
    let mut parts = parts.iter().copied();
    let mut part: &[u8] = &[];
    let mut packets = 0_u8;
    loop {
        let length = u32::try_from(left).unwrap_or(PACKET_MAX).min(PACKET_MAX);
        out.extend_from_slice(&header_bytes(length, sequence.wrapping_add(packets)));
        packets = packets.wrapping_add(1);
        left = left.saturating_sub(u64::from(length));
        let mut room = length as usize;
        while room > 0 {
            if part.is_empty() {
                let Some(next) = parts.next() else { break };
                part = next;
            }
            let (now, later) = part.split_at(part.len().min(room));
            out.extend_from_slice(now);
            room = room.saturating_sub(now.len());
            part = later;
        }
        if length < PACKET_MAX {
            return packets;
        }
    }
}

/// A COM_QUERY.
pub(crate) fn put_query(out: &mut BytesMut, text: &str) {
    put_command(out, 0, &[&[Command::Query.byte()], text.as_bytes()]);
}

fn ok_payload(out: &mut BytesMut, first: u8, ok: &OkFields<'_>) {
    out.extend_from_slice(&[first]);
    put_lenenc(out, ok.affected_rows);
    put_lenenc(out, ok.last_insert_id);
    out.extend_from_slice(&ok.status.without(Status::STATE_CHANGED).0.to_le_bytes());
    out.extend_from_slice(&ok.warnings.to_le_bytes());
    if !ok.info.is_empty() {
        put_string(out, ok.info.as_bytes());
    }
}

fn column_definition(out: &mut BytesMut, dialect: Dialect, name: &str) {
    for text in ["def", "", "", "", name, ""] {
        put_string(out, text.as_bytes());
    }
    if dialect.extended_metadata {
        put_lenenc(out, 0);
    }
    out.extend_from_slice(&[0x0c]);
    out.extend_from_slice(&COLLATION.to_le_bytes());
    out.extend_from_slice(&u32::from(u16::MAX).to_le_bytes());
    out.extend_from_slice(&[TYPE_VAR_STRING, 0, 0, DECIMALS_OF_STRINGS, 0, 0]);
}

fn packet(out: &mut BytesMut, sequence: u8, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    let body = start.saturating_add(HEADER_BYTES);
    out.extend_from_slice(&[0; HEADER_BYTES]);
    fill(out);
    let header = header_bytes(narrow(out.len().saturating_sub(body)), sequence);
    if let Some(place) = out.get_mut(start..body) {
        place.copy_from_slice(&header);
    }
}

fn put_lenenc(out: &mut BytesMut, value: u64) {
    let (bytes, count) = lenenc(value);
    out.extend_from_slice(bytes.get(..count).unwrap_or_default());
}

fn put_string(out: &mut BytesMut, value: &[u8]) {
    put_lenenc(out, value.len() as u64);
    out.extend_from_slice(value);
}
