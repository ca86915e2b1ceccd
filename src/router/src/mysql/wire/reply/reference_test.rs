//! What the tests of replies share: a driver that plays the router's part, and a reference translation that is slow,
//! goes packet by packet and shares nothing with the code under test.

use std::io::IoSlice;

use super::super::capabilities::{Dialect, Track};
use super::super::forward::Forward;
use super::{HELD_MAX, Outcome, Progress, Reply};

const FULL: usize = 0xff_ffff;

/// Frames a payload, continuation packets included, and counts `sequence` on.
pub(super) fn frame(out: &mut Vec<u8>, sequence: &mut u8, payload: &[u8]) {
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(FULL));
        out.extend_from_slice(&u32::try_from(now.len()).unwrap().to_le_bytes()[..3]);
        out.push(*sequence);
        out.extend_from_slice(now);
        *sequence = sequence.wrapping_add(1);
        rest = later;
        if now.len() < FULL {
            return;
        }
    }
}

/// Splits a stream into (sequence id, payload), with continuations joined.
pub(super) fn unframe(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut joined = false;
    while !bytes.is_empty() {
        let length = usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16;
        let payload = &bytes[4..4 + length];
        if joined {
            packets.last_mut().unwrap().1.extend_from_slice(payload);
        } else {
            packets.push((bytes[3], payload.to_vec()));
        }
        joined = length == FULL;
        bytes = &bytes[4 + length..];
    }
    packets
}

/// Feeds `bytes` in pieces of the given sizes (over and over) as the router would, and returns what the client gets.
/// `None` if the reply is malformed, or not over when the bytes are.
pub(super) fn drive(mut reply: Reply, bytes: &[u8], sizes: &[usize]) -> Option<(Vec<u8>, Outcome, Option<u128>)> {
    let mut forward = Forward::new();
    let mut buffer: Vec<u8> = Vec::new();
    let mut client = Vec::new();
    let mut fed = 0_usize;
    for size in sizes.iter().cycle() {
        let piece = &bytes[fed..bytes.len().min(fed.saturating_add(*size))];
        buffer.extend_from_slice(piece);
        fed += piece.len();
        loop {
            forward.clear();
            let advance = reply.advance(&mut buffer, &mut forward).ok()?;
            write_out(&forward, &buffer, &mut client);
            buffer.drain(..advance.consumed);
            match advance.progress {
                Progress::More => break,
                Progress::SendFile => reply.file_sent(),
                Progress::Done => {
                    assert!(reply.is_done());
                    assert_eq!(buffer.len() + bytes.len() - fed, 0, "bytes are left over");
                    let (outcome, checksum) = reply.finish();
                    return Some((client, outcome, checksum.map(|checksum| checksum.digest())));
                }
            }
        }
        assert!(buffer.len() < HELD_MAX);
        if fed == bytes.len() {
            return None;
        }
    }
    None
}

/// Takes the slices two at a time and byte counts that fit nothing, as a slow socket would.
fn write_out(forward: &Forward, buffer: &[u8], client: &mut Vec<u8>) {
    let mut written = 0;
    while written < forward.len() {
        let mut slices = [IoSlice::new(&[]); 2];
        let filled = forward.slices(buffer, written, &mut slices);
        assert!(filled > 0);
        for slice in &slices[..filled] {
            let part = if slice.len() > 7 && written % 2 == 0 {
                slice.len() - 3
            } else {
                slice.len()
            };
            client.extend_from_slice(&slice[..part]);
            written += part;
            if part < slice.len() {
                break;
            }
        }
    }
    assert_eq!(written, forward.len());
}

/// What a server sends, packet by packet, with what each one is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Passed on as it is.
    Plain(Vec<u8>),
    /// The last definition of a result set's columns, or the count if there are none.
    LastDefinition(Vec<u8>),
    /// The last definition of a prepared statement's parameters or of its columns.
    LastPrepared(Vec<u8>),
    /// OK (`false`) or an OK in the place of an EOF (`true`).
    Ok(bool, TestOk),
    /// A prepare-OK: the server's id, columns, parameters.
    Prepared(u32, u16, u16),
    /// A request for a file, and how many packets the client answers with.
    Infile(Vec<u8>, u8),
}

/// An OK as the tests make it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct TestOk {
    pub(super) affected: u64,
    pub(super) insert_id: u64,
    pub(super) status: u16,
    pub(super) warnings: u16,
    pub(super) info: Vec<u8>,
    /// Entries, encoded, and whether a server with default settings sends them.
    pub(super) tracked: Vec<(bool, Vec<u8>)>,
}

pub(super) fn lenenc(value: usize) -> Vec<u8> {
    let bytes = (value as u64).to_le_bytes();
    match value {
        0..251 => vec![bytes[0]],
        251..65_536 => [&[0xfc], &bytes[..2]].concat(),
        65_536..16_777_216 => [&[0xfd], &bytes[..3]].concat(),
        _ => [&[0xfe], &bytes[..]].concat(),
    }
}

pub(super) fn string(value: &[u8]) -> Vec<u8> {
    [lenenc(value.len()), value.to_vec()].concat()
}

impl TestOk {
    pub(super) fn encode(&self, first: u8) -> Vec<u8> {
        let mut out = vec![first];
        out.extend(lenenc(usize::try_from(self.affected).unwrap()));
        out.extend(lenenc(usize::try_from(self.insert_id).unwrap()));
        let status = if self.tracked.is_empty() {
            self.status & !0x4000
        } else {
            self.status | 0x4000
        };
        out.extend_from_slice(&status.to_le_bytes());
        out.extend_from_slice(&self.warnings.to_le_bytes());
        if !self.info.is_empty() || !self.tracked.is_empty() {
            out.extend(string(&self.info));
        }
        if !self.tracked.is_empty() {
            let entries: Vec<u8> = self.tracked.iter().flat_map(|(_, entry)| entry.clone()).collect();
            out.extend(string(&entries));
        }
        out
    }
}

/// Bytes as the server sends them, beginning with sequence id `first`.
pub(super) fn server_bytes(parts: &[Part], first: u8) -> Vec<u8> {
    let (mut out, mut sequence) = (Vec::new(), first);
    for part in parts {
        match part {
            Part::Plain(payload) | Part::LastDefinition(payload) | Part::LastPrepared(payload) => {
                frame(&mut out, &mut sequence, payload);
            }
            Part::Ok(eof, ok) => frame(&mut out, &mut sequence, &ok.encode(if *eof { 0xfe } else { 0 })),
            Part::Prepared(id, columns, params) => frame(&mut out, &mut sequence, &prepare_ok(*id, *columns, *params)),
            Part::Infile(payload, packets) => {
                frame(&mut out, &mut sequence, payload);
                sequence = sequence.wrapping_add(*packets);
            }
        }
    }
    out
}

fn prepare_ok(id: u32, columns: u16, params: u16) -> Vec<u8> {
    [
        &[0][..],
        &id.to_le_bytes(),
        &columns.to_le_bytes(),
        &params.to_le_bytes(),
        &[0, 0, 0],
    ]
    .concat()
}

/// The reference: what a client of `dialect` must get for `parts`. `status` is the session's before.
pub(super) fn client_bytes(parts: &[Part], dialect: Dialect, first: u8, mut status: u16, own_id: u32) -> Vec<u8> {
    let (mut out, mut sequence) = (Vec::new(), first);
    let visible = |status: u16| {
        if dialect.track == Track::Everything {
            status
        } else {
            status & !0x4000
        }
    };
    let eof =
        |warnings: u16, status: u16| [&[0xfe][..], &warnings.to_le_bytes(), &visible(status).to_le_bytes()].concat();
    let mut carried = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Plain(payload) => frame(&mut out, &mut sequence, payload),
            Part::LastDefinition(payload) => {
                frame(&mut out, &mut sequence, payload);
                let cursor = matches!(parts.get(index + 1), Some(Part::Ok(_, ok)) if ok.status & 0x40 != 0);
                if !dialect.deprecate_eof && !cursor {
                    frame(&mut out, &mut sequence, &eof(0, status));
                }
            }
            Part::LastPrepared(payload) => {
                frame(&mut out, &mut sequence, payload);
                if !dialect.deprecate_eof {
                    frame(&mut out, &mut sequence, &eof(0, status));
                }
            }
            Part::Ok(as_eof, ok) => {
                status = if ok.tracked.is_empty() {
                    ok.status & !0x4000
                } else {
                    ok.status | 0x4000
                };
                let mut shown = ok.clone();
                match dialect.track {
                    Track::Nothing => shown.tracked.clear(),
                    Track::Default => shown.tracked.retain(|(default, _)| *default),
                    Track::Everything => {}
                }
                if *as_eof && !dialect.deprecate_eof {
                    frame(&mut out, &mut sequence, &eof(ok.warnings, status));
                    carried.extend(shown.tracked);
                } else {
                    shown.tracked.splice(0..0, carried.drain(..));
                    frame(&mut out, &mut sequence, &shown.encode(if *as_eof { 0xfe } else { 0 }));
                }
            }
            Part::Prepared(_, columns, params) => {
                frame(&mut out, &mut sequence, &prepare_ok(own_id, *columns, *params));
            }
            Part::Infile(payload, packets) => {
                frame(&mut out, &mut sequence, payload);
                sequence = sequence.wrapping_add(*packets);
            }
        }
    }
    out
}
