//! Takes a packet's fields one by one. Short packets end in `None`, never in a panic.

/// What is left of a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn new(packet: &'a [u8]) -> Self {
        Self(packet)
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Bytes up to a NUL, which is taken too.
    pub(crate) fn nul(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }

    /// Bytes up to a NUL or the end of the packet: some clients leave out the last NUL.
    pub(crate) fn nul_or_rest(&mut self) -> &'a [u8] {
        self.nul().unwrap_or_else(|| {
            let rest = self.0;
            self.0 = &[];
            rest
        })
    }

    /// A length-encoded number; `None` for NULL (0xfb) too.
    pub(crate) fn number(&mut self) -> Option<u64> {
        Some(match self.u8()? {
            small @ ..=0xfa => u64::from(small),
            0xfc => u64::from(self.u16()?),
            0xfd => {
                let [a, b, c] = self.array()?;
                u64::from(u32::from_le_bytes([a, b, c, 0]))
            }
            0xfe => u64::from_le_bytes(self.array()?),
            0xfb | 0xff => return None,
        })
    }

    /// Length-encoded bytes.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::try_from(len).ok()?)
    }
}

/// Appends a length-encoded number.
pub(crate) fn put_number(packet: &mut Vec<u8>, number: u64) {
    let bytes = number.to_le_bytes();
    let (marker, len) = match number {
        0..=0xfa => (None, 1),
        0xfb..=0xffff => (Some(0xfc), 2),
        0x1_0000..=0xff_ffff => (Some(0xfd), 3),
        _ => (Some(0xfe), 8),
    };
    packet.extend(marker);
    packet.extend(bytes.iter().take(len));
}

/// Appends length-encoded bytes.
pub(crate) fn put_bytes(packet: &mut Vec<u8>, bytes: &[u8]) {
    put_number(packet, bytes.len() as u64);
    packet.extend_from_slice(bytes);
}

/// Appends bytes and a NUL. Bytes with a NUL inside end there, so that they cannot become another field.
pub(crate) fn put_nul(packet: &mut Vec<u8>, bytes: &[u8]) {
    packet.extend(bytes.iter().take_while(|byte| **byte != 0));
    packet.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_in_every_length() {
        for number in [0, 250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut packet = Vec::new();
            put_number(&mut packet, number);
            assert_eq!(Fields::new(&packet).number(), Some(number), "{packet:?}");
            packet.pop();
            assert_eq!(Fields::new(&packet).number(), None);
        }
    }

    #[test]
    fn a_length_beyond_the_packet_is_no_field() {
        assert_eq!(
            Fields::new(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]).bytes(),
            None
        );
        assert_eq!(Fields::new(b"no end").nul(), None);
        assert_eq!(Fields::new(b"no end").nul_or_rest(), b"no end");
    }

    #[test]
    fn a_nul_inside_ends_the_text() {
        let mut packet = Vec::new();
        put_nul(&mut packet, b"a\0b");
        assert_eq!(packet, b"a\0");
    }
}
