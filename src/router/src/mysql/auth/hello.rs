//! The greeting: the first packet of a server.

use super::fields::{Fields, put_nul};
use super::flags::LONG_PASSWORD;
use super::native::Scramble;

/// A greeting of protocol 10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// As servers write it, for example `5.5.5-10.11.19-MariaDB-log`.
    pub(crate) version: String,
    pub(crate) connection: u32,
    pub(crate) scramble: Scramble,
    /// MariaDB's own bits in the upper half.
    pub(crate) capabilities: u64,
    pub(crate) collation: u8,
    pub(crate) status: u16,
    pub(crate) plugin: String,
}

impl Hello {
    /// Reads a packet. Only servers that know plugins (any of this century) are understood.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(packet);
        if fields.u8()? != 10 {
            return None;
        }
        let version = String::from_utf8_lossy(fields.nul()?).into_owned();
        let connection = fields.u32()?;
        let first: [u8; 8] = fields.array()?;
        fields.u8()?;
        let low = fields.u16()?;
        let collation = fields.u8()?;
        let status = fields.u16()?;
        let high = fields.u16()?;
        let scramble_len = usize::from(fields.u8()?);
        fields.take(6)?;
        let own = fields.u32()?;
        let second = fields.take(scramble_len.saturating_sub(8).max(13))?;
        let mut scramble = [0; 20];
        let halves = first.iter().chain(second);
        for (to, from) in scramble.iter_mut().zip(halves) {
            *to = *from;
        }
        let plugin = String::from_utf8_lossy(fields.nul_or_rest()).into_owned();
        let capabilities = u64::from(low) | u64::from(high) << 16;
        let own = if capabilities & LONG_PASSWORD == 0 { own } else { 0 };
        Some(Self {
            version,
            connection,
            scramble,
            capabilities: capabilities | u64::from(own) << 32,
            collation,
            status,
            plugin,
        })
    }

    /// The packet's payload.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let (first, second) = self.scramble.split_at(8);
        let bits = self.capabilities.to_le_bytes();
        let [low, high, own_low, own_high] = *bits.as_chunks::<2>().0 else {
            return Vec::new();
        };
        let mut packet = vec![10];
        put_nul(&mut packet, self.version.as_bytes());
        packet.extend_from_slice(&self.connection.to_le_bytes());
        packet.extend_from_slice(first);
        packet.push(0);
        packet.extend_from_slice(&low);
        packet.push(self.collation);
        packet.extend_from_slice(&self.status.to_le_bytes());
        packet.extend_from_slice(&high);
        // The scramble's length with its closing NUL, then six bytes of nothing.
        packet.extend_from_slice(&[21, 0, 0, 0, 0, 0, 0]);
        packet.extend_from_slice(&own_low);
        packet.extend_from_slice(&own_high);
        packet.extend_from_slice(second);
        packet.push(0);
        put_nul(&mut packet, self.plugin.as_bytes());
        packet
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            version: "5.5.5-10.11.19-MariaDB-log".to_owned(),
            connection: 7,
            scramble: *b"abcdefghijklmnopqrst",
            capabilities: 0x1c_81ff_f7fe,
            collation: 45,
            status: 2,
            plugin: "mysql_native_password".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Hello::parse(&hello().packet()), Some(hello()));
    }

    #[test]
    fn bits_of_mariadb_are_not_read_from_others() {
        let mut mysql = hello();
        mysql.capabilities |= LONG_PASSWORD;
        let read = Hello::parse(&mysql.packet()).unwrap();
        assert_eq!(read.capabilities, mysql.capabilities & u64::from(u32::MAX));
    }

    proptest! {
        #[test]
        fn no_packet_panics(mut packet: Vec<u8>, cut in 0_usize..100, at in 0_usize..100, byte: u8) {
            let _ = Hello::parse(&packet);
            packet = hello().packet();
            packet.truncate(cut);
            if let Some(to) = packet.get_mut(at) {
                *to = byte;
            }
            let _ = Hello::parse(&packet);
        }
    }
}
