//! An ERR packet, taken apart and put together.

use std::fmt;

use super::fields::Fields;

/// What an ERR packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    pub(crate) code: u16,
    /// SQLSTATE; `HY000` where the packet has none, as before the capabilities are agreed.
    pub(crate) state: [u8; 5],
    pub(crate) message: Vec<u8>,
}

impl ServerError {
    pub(crate) fn new(code: u16, state: [u8; 5], message: impl Into<Vec<u8>>) -> Self {
        Self {
            code,
            state,
            message: message.into(),
        }
    }

    /// Reads a packet that begins with 0xff.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(packet);
        if fields.u8()? != 0xff {
            return None;
        }
        let code = fields.u16()?;
        let mut with_state = fields;
        let state = match with_state.u8() {
            Some(b'#') => with_state.array(),
            _ => None,
        };
        Some(match state {
            Some(state) => Self::new(code, state, with_state.rest()),
            None => Self::new(code, *b"HY000", fields.rest()),
        })
    }

    /// The packet's payload.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0xff];
        packet.extend_from_slice(&self.code.to_le_bytes());
        packet.push(b'#');
        packet.extend_from_slice(&self.state);
        packet.extend_from_slice(&self.message);
        packet
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, message) = (
            String::from_utf8_lossy(&self.state),
            String::from_utf8_lossy(&self.message),
        );
        write!(f, "{} ({state}): {message}", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_the_packet() {
        let error = ServerError::new(1045, *b"28000", "Access denied");
        assert_eq!(ServerError::parse(&error.packet()), Some(error));
    }

    #[test]
    fn before_capabilities_there_is_no_state() {
        let error = ServerError::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!(
            (error.code, error.message.as_slice()),
            (1040, &b"Too many connections"[..])
        );
        assert_eq!(ServerError::parse(b"\xff\x10"), None);
    }
}
