//! The client's answer to the greeting.

use super::fields::{Fields, put_bytes, put_nul};
use super::flags::{
    CONNECT_ATTRS, CONNECT_WITH_DB, LONG_PASSWORD, PLUGIN_AUTH, PLUGIN_AUTH_LENENC, PROTOCOL_41, SECURE_CONNECTION, SSL,
};

/// Length of the fixed part, which is all that a client sends before TLS.
const HEAD_LEN: usize = 32;

/// An answer to the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    /// MariaDB's own bits in the upper half.
    pub(crate) capabilities: u64,
    pub(crate) max_packet: u32,
    pub(crate) collation: u8,
    pub(crate) user: &'a [u8],
    pub(crate) answer: &'a [u8],
    pub(crate) database: Option<&'a [u8]>,
    pub(crate) plugin: Option<&'a [u8]>,
    /// Keys and values, each length-encoded, as they came.
    pub(crate) attributes: &'a [u8],
}

/// Whether the packet asks for TLS, after which the client begins anew.
pub(crate) fn asks_for_tls(packet: &[u8]) -> bool {
    packet.len() == HEAD_LEN && capabilities(&mut Fields::new(packet)).is_some_and(|bits| bits & SSL != 0)
}

impl<'a> Response<'a> {
    /// Reads a packet.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(packet);
        let low = capabilities(&mut fields)?;
        if low & PROTOCOL_41 == 0 {
            return None;
        }
        let max_packet = fields.u32()?;
        let collation = fields.u8()?;
        fields.take(19)?;
        let own = fields.u32()?;
        let own = if low & LONG_PASSWORD == 0 { own } else { 0 };
        let user = fields.nul()?;
        let answer = if low & PLUGIN_AUTH_LENENC != 0 {
            fields.bytes()?
        } else if low & SECURE_CONNECTION != 0 {
            let len = fields.u8()?;
            fields.take(usize::from(len))?
        } else {
            fields.nul()?
        };
        let named = (low & CONNECT_WITH_DB != 0).then(|| fields.nul_or_rest());
        let plugin = (low & PLUGIN_AUTH != 0).then(|| fields.nul_or_rest());
        let attributes = (low & CONNECT_ATTRS != 0).then(|| fields.bytes()).flatten();
        Some(Self {
            capabilities: low | u64::from(own) << 32,
            max_packet,
            collation,
            user,
            answer,
            database: named.filter(|name| !name.is_empty()),
            plugin: plugin.filter(|name| !name.is_empty()),
            attributes: attributes.unwrap_or_default(),
        })
    }

    /// The packet's payload. Which fields there are follows from the capabilities, which must have the ones of 4.1.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let [a, b, c, d, own @ ..] = self.capabilities.to_le_bytes();
        let mut packet = vec![a, b, c, d];
        packet.extend_from_slice(&self.max_packet.to_le_bytes());
        packet.push(self.collation);
        packet.extend_from_slice(&[0; 19]);
        packet.extend_from_slice(&own);
        put_nul(&mut packet, self.user);
        put_bytes(&mut packet, self.answer);
        if self.capabilities & CONNECT_WITH_DB != 0 {
            put_nul(&mut packet, self.database.unwrap_or_default());
        }
        put_nul(&mut packet, self.plugin.unwrap_or_default());
        if self.capabilities & CONNECT_ATTRS != 0 {
            put_bytes(&mut packet, self.attributes);
        }
        packet
    }
}

fn capabilities(fields: &mut Fields<'_>) -> Option<u64> {
    fields.u32().map(u64::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mysql::auth::flags::PHASE;

    fn response() -> Response<'static> {
        Response {
            capabilities: PHASE | CONNECT_WITH_DB | CONNECT_ATTRS | PLUGIN_AUTH_LENENC | 5 << 32,
            max_packet: 1 << 24,
            collation: 45,
            user: b"app",
            answer: b"01234567890123456789",
            database: Some(b"shop"),
            plugin: Some(b"mysql_native_password"),
            attributes: b"\x04_pid\x011",
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Response::parse(&response().packet()), Some(response()));
    }

    #[test]
    fn a_request_for_tls_is_the_head_alone() {
        let mut packet = response().packet();
        assert!(!asks_for_tls(&packet));
        packet.truncate(32);
        assert!(!asks_for_tls(&packet));
        packet[1] |= 8;
        assert!(asks_for_tls(&packet));
    }

    proptest! {
        #[test]
        fn no_packet_panics(mut packet: Vec<u8>, cut in 0_usize..120, at in 0_usize..120, byte: u8) {
            let _ = Response::parse(&packet);
            packet = response().packet();
            packet.truncate(cut);
            if let Some(to) = packet.get_mut(at) {
                *to = byte;
            }
            let _ = (Response::parse(&packet), asks_for_tls(&packet));
        }
    }
}
