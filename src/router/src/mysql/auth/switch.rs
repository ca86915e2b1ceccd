//! The request to answer by another plugin.

use super::fields::{Fields, put_nul};

/// An AuthSwitchRequest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) scramble: &'a [u8],
}

impl<'a> Switch<'a> {
    /// Reads a packet that begins with 0xfe. One byte alone asks for the passwords of before 4.1.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(packet);
        if fields.u8()? != 0xfe {
            return None;
        }
        if fields.rest().is_empty() {
            return Some(Self {
                plugin: "mysql_old_password",
                scramble: &[],
            });
        }
        let plugin = std::str::from_utf8(fields.nul()?).ok()?;
        Some(Self {
            plugin,
            scramble: fields.rest(),
        })
    }

    /// The packet's payload.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0xfe];
        put_nul(&mut packet, self.plugin.as_bytes());
        packet.extend_from_slice(self.scramble);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let switch = Switch {
            plugin: "client_ed25519",
            scramble: &[3; 32],
        };
        assert_eq!(Switch::parse(&switch.packet()), Some(switch));
        assert_eq!(Switch::parse(b"\xfe").unwrap().plugin, "mysql_old_password");
        assert_eq!(Switch::parse(b"\xfeabc"), None);
        assert_eq!(Switch::parse(b""), None);
    }
}
