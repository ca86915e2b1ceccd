//! Packet headers and the fields inside payloads.

/// Length (3 bytes) and sequence id.
pub(crate) const HEADER_BYTES: usize = 4;
/// A packet this long is continued by the next one.
pub(crate) const PACKET_MAX: u32 = 0x00ff_ffff;

/// What came is not the protocol. The connection it came from is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the MySQL protocol: {0}; the connection cannot go on")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Payload length and sequence id of the packet at the start of `bytes`.
pub(crate) fn header(bytes: &[u8]) -> Option<(u32, u8)> {
    let (&[a, b, c, sequence], _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    Some((u32::from_le_bytes([a, b, c, 0]), sequence))
}

/// The header of a packet. `length` must not exceed [`PACKET_MAX`].
pub(crate) const fn header_bytes(length: u32, sequence: u8) -> [u8; HEADER_BYTES] {
    let [a, b, c, _] = length.to_le_bytes();
    [a, b, c, sequence]
}

/// Adds `shift` to the sequence id of the packet at `at`.
pub(crate) fn shift_sequence(bytes: &mut [u8], at: usize, shift: u8) {
    if shift != 0
        && let Some(sequence) = bytes.get_mut(at.saturating_add(3))
    {
        *sequence = sequence.wrapping_add(shift);
    }
}

/// Saturating, for amounts that are bounded by a packet's length anyway.
pub(crate) fn narrow(amount: usize) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}

/// Takes fields from the front of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// What is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (field, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed("a packet ends inside a field"))?;
        self.0 = rest;
        Ok(*field)
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next two bytes.
    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next `length` bytes.
    pub(crate) fn bytes(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let (field, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or(Malformed("a string is longer than its packet"))?;
        self.0 = rest;
        Ok(field)
    }

    /// A length-encoded integer.
    pub(crate) fn lenenc(&mut self) -> Result<u64, Malformed> {
        match self.u8()? {
            small @ 0..=0xfa => Ok(u64::from(small)),
            0xfc => self.u16().map(u64::from),
            0xfd => self
                .array()
                .map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0]))),
            0xfe => self.array().map(u64::from_le_bytes),
            0xfb | 0xff => Err(Malformed("no length where one must be")),
        }
    }

    /// A length-encoded string.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.lenenc()?;
        self.bytes(length)
    }
}

/// The bytes of a length-encoded integer and how many of them count.
pub(crate) const fn lenenc(value: u64) -> ([u8; 9], usize) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    match value {
        0..=0xfa => ([a, 0, 0, 0, 0, 0, 0, 0, 0], 1),
        0xfb..=0xffff => ([0xfc, a, b, 0, 0, 0, 0, 0, 0], 3),
        0x1_0000..=0xff_ffff => ([0xfd, a, b, c, 0, 0, 0, 0, 0], 4),
        _ => ([0xfe, a, b, c, d, e, f, g, h], 9),
    }
}

/// Appends a length-encoded integer.
pub(crate) fn put_lenenc(out: &mut Vec<u8>, value: u64) {
    let (bytes, count) = lenenc(value);
    out.extend(bytes.iter().take(count));
}

/// Appends a length-encoded string.
pub(crate) fn put_string(out: &mut Vec<u8>, value: &[u8]) {
    put_lenenc(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_encoded_integers_round_trip() {
        for value in [0, 250, 251, 252, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut bytes = Vec::new();
            put_lenenc(&mut bytes, value);
            let mut fields = Fields(&bytes);
            assert_eq!(fields.lenenc(), Ok(value));
            assert!(fields.is_empty());
            for cut in 0..bytes.len() {
                assert!(Fields(&bytes[..cut]).lenenc().is_err());
            }
        }
        assert!(Fields(&[0xfb]).lenenc().is_err());
        assert!(Fields(&[0xff, 0, 0]).lenenc().is_err());
    }

    #[test]
    fn strings_do_not_reach_beyond_their_packet() {
        assert_eq!(Fields(&[2, b'a', b'b', b'c']).string(), Ok(&b"ab"[..]));
        assert!(Fields(&[3, b'a', b'b']).string().is_err());
        assert!(
            Fields(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1])
                .string()
                .is_err()
        );
    }

    #[test]
    fn headers_round_trip() {
        assert_eq!(header(&header_bytes(0x01_0203, 9)), Some((0x01_0203, 9)));
        assert_eq!(header(&[1, 2, 3]), None);
    }
}
