//! The one thing that the router itself says to a client: an ERR packet in place of the server's greeting.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Longest text; clients cut off at 512 bytes.
const TEXT_MAX: usize = 500;

/// Which error a client sees. Both belong to SQLSTATE class 08 (connection), which drivers and pools retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// `ER_CON_COUNT_ERROR`: a limit of the router is reached.
    TooManyConnections,
    /// `ER_SERVER_SHUTDOWN`: there is no server to talk to now.
    NoServer,
}

impl Code {
    const fn number(self) -> u16 {
        match self {
            Self::TooManyConnections => 1040,
            Self::NoServer => 1053,
        }
    }

    const fn state(self) -> &'static str {
        match self {
            Self::TooManyConnections => "08004",
            Self::NoServer => "08S01",
        }
    }
}

/// The packet: sequence number 0, as the greeting that it stands for.
pub(crate) fn packet(code: Code, text: &str) -> Bytes {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    let len = 1 + 2 + 1 + code.state().len() + text.len();
    let mut packet = BytesMut::with_capacity(4 + len);
    packet.put_uint_le(len as u64, 3);
    packet.put_u8(0);
    packet.put_u8(0xff);
    packet.put_u16_le(code.number());
    packet.put_u8(b'#');
    packet.put_slice(code.state().as_bytes());
    packet.put_slice(text.as_bytes());
    packet.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_an_err_packet_of_the_stated_length() {
        let packet = packet(Code::TooManyConnections, "full");
        assert_eq!(packet[..], *b"\x0d\0\0\0\xff\x10\x04#08004full");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let packet = packet(Code::NoServer, &"ü".repeat(400));
        assert!(std::str::from_utf8(&packet[13..]).is_ok());
        assert_eq!(packet.len(), 13 + TEXT_MAX);
    }
}
