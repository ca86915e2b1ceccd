//! COM_CHANGE_USER: a login within a connection.

use super::fields::{Fields, put_bytes, put_nul};
use super::flags::{CONNECT_ATTRS, PLUGIN_AUTH, SECURE_CONNECTION};

/// The command's byte.
pub(crate) const COM_CHANGE_USER: u8 = 0x11;

/// The command's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    pub(crate) user: &'a [u8],
    pub(crate) answer: &'a [u8],
    pub(crate) database: Option<&'a [u8]>,
    /// Absent from clients of old.
    pub(crate) collation: Option<u16>,
    pub(crate) plugin: Option<&'a [u8]>,
    /// Keys and values, each length-encoded, as they came.
    pub(crate) attributes: &'a [u8],
}

impl<'a> Change<'a> {
    /// Reads a packet that begins with the command's byte, on a connection with these capabilities.
    pub(crate) fn parse(packet: &'a [u8], capabilities: u64) -> Option<Self> {
        let mut fields = Fields::new(packet);
        if fields.u8()? != COM_CHANGE_USER {
            return None;
        }
        let user = fields.nul()?;
        let answer = if capabilities & SECURE_CONNECTION != 0 {
            let len = fields.u8()?;
            fields.take(usize::from(len))?
        } else {
            fields.nul()?
        };
        let database = fields.nul_or_rest();
        let collation = fields.u16();
        let plugin = (capabilities & PLUGIN_AUTH != 0).then(|| fields.nul_or_rest());
        let attributes = (capabilities & CONNECT_ATTRS != 0).then(|| fields.bytes()).flatten();
        Some(Self {
            user,
            answer,
            database: Some(database).filter(|name| !name.is_empty()),
            collation,
            plugin: plugin.filter(|name| !name.is_empty()),
            attributes: attributes.unwrap_or_default(),
        })
    }

    /// The packet's payload, for a connection with these capabilities. Answers are shorter than 256 bytes.
    pub(crate) fn packet(&self, capabilities: u64) -> Vec<u8> {
        let mut packet = vec![COM_CHANGE_USER];
        put_nul(&mut packet, self.user);
        packet.push(u8::try_from(self.answer.len()).unwrap_or_default());
        packet.extend_from_slice(self.answer);
        put_nul(&mut packet, self.database.unwrap_or_default());
        packet.extend_from_slice(&self.collation.unwrap_or_default().to_le_bytes());
        put_nul(&mut packet, self.plugin.unwrap_or_default());
        if capabilities & CONNECT_ATTRS != 0 {
            put_bytes(&mut packet, self.attributes);
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mysql::auth::flags::PHASE;

    const CAPABILITIES: u64 = PHASE | CONNECT_ATTRS;

    fn change() -> Change<'static> {
        Change {
            user: b"app",
            answer: b"01234567890123456789",
            database: None,
            collation: Some(45),
            plugin: Some(b"mysql_native_password"),
            attributes: b"\x04_pid\x011",
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(
            Change::parse(&change().packet(CAPABILITIES), CAPABILITIES),
            Some(change())
        );
    }

    #[test]
    fn short_commands_of_old_clients_are_read() {
        let read = Change::parse(b"\x11u\0\0db\0", CAPABILITIES).unwrap();
        assert_eq!(
            (read.user, read.database, read.collation),
            (&b"u"[..], Some(&b"db"[..]), None)
        );
    }

    proptest! {
        #[test]
        fn no_packet_panics(mut packet: Vec<u8>, cut in 0_usize..80, at in 0_usize..80, byte: u8) {
            let _ = Change::parse(&packet, CAPABILITIES);
            packet = change().packet(CAPABILITIES);
            packet.truncate(cut);
            if let Some(to) = packet.get_mut(at) {
                *to = byte;
            }
            let _ = (Change::parse(&packet, CAPABILITIES), Change::parse(&packet, 0));
        }
    }
}
