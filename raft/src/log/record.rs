//! One record of the log file: a checksum and JSON that names its own position, readable with any tool.
//!
//! `9ae0daaf {"v":1,"at":"entry 7","body":{…}}`: eight hexadecimal digits of CRC-32 over the JSON text, a space, the
//! JSON text.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Position;

/// Version of the record format.
const VERSION: u16 = 1;
/// Eight digits and a space.
pub(super) const PREFIX: usize = 9;

#[derive(Serialize)]
struct Framed<'a, T> {
    v: u16,
    at: String,
    body: &'a T,
}

#[derive(Deserialize)]
struct Head {
    v: u16,
    at: String,
}

#[derive(Deserialize)]
struct Body<T> {
    body: T,
}

/// Why a record is refused.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Shorter than its own frame, or the frame is not one.
    #[error("the record has no checksum at byte 0")]
    Frame,
    /// The checksum does not match.
    #[error("checksum {stored:08x} is stored, {computed:08x} is computed over bytes {PREFIX}..{end}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As computed.
        computed: u32,
        /// Where the record ends.
        end: usize,
    },
    /// The record says that it belongs elsewhere.
    #[error("the record says that it is `{found}`")]
    Misplaced {
        /// What it says.
        found: String,
    },
    /// A newer build wrote it.
    #[error("record version {0} is newer than {VERSION}, which this build understands")]
    Version(u16),
    /// The JSON is not what belongs here.
    #[error("the record does not decode: {0}")]
    Decode(serde_json::Error),
}

/// Encodes `body` for `position`.
pub(super) fn encode<T: Serialize>(position: Position, body: &T) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(&Framed {
        v: VERSION,
        at: position.to_string(),
        body,
    })?;
    let mut record = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    record.extend_from_slice(&json);
    Ok(record)
}

/// Decodes the record found at `position`.
pub(super) fn decode<T: DeserializeOwned>(position: Position, record: &[u8]) -> Result<T, RecordError> {
    let json = checked(record)?;
    let head: Head = serde_json::from_slice(json).map_err(RecordError::Decode)?;
    if head.v > VERSION {
        return Err(RecordError::Version(head.v));
    }
    if head.at != position.to_string() {
        return Err(RecordError::Misplaced { found: head.at });
    }
    let body: Body<T> = serde_json::from_slice(json).map_err(RecordError::Decode)?;
    Ok(body.body)
}

/// Whether the checksum of a record matches.
pub(super) fn verifies(record: &[u8]) -> bool {
    checked(record).is_ok()
}

/// The JSON text of a record whose checksum matches.
fn checked(record: &[u8]) -> Result<&[u8], RecordError> {
    let (prefix, json) = record.split_at_checked(PREFIX).ok_or(RecordError::Frame)?;
    let stored = prefix
        .strip_suffix(b" ")
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or(RecordError::Frame)?;
    let computed = crc32fast::hash(json);
    if stored != computed {
        let end = record.len();
        return Err(RecordError::Checksum { stored, computed, end });
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_flip_is_refused() {
        let at = Position::Entry(7);
        let record = encode(at, &"hello").unwrap();
        assert_eq!(decode::<String>(at, &record).unwrap(), "hello");
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // A flip may turn a hexadecimal digit into its other case; then the value is the same.
            if let Ok(text) = decode::<String>(at, &flipped) {
                assert_eq!(text, "hello", "bit {bit}");
            }
        }
    }

    #[test]
    fn a_record_of_another_position_is_refused() {
        let record = encode(Position::Entry(7), &"hello").unwrap();
        let refused = decode::<String>(Position::Entry(8), &record);
        assert!(matches!(refused, Err(RecordError::Misplaced { .. })));
    }
}
