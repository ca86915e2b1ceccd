//! Payloads of a client's commands, except those of prepared statements. A payload includes its command byte.

use super::packet::{Fields, Malformed};

/// The text of a COM_QUERY or COM_STMT_PREPARE, the database of a COM_INIT_DB.
pub(crate) fn text(payload: &[u8]) -> Result<&[u8], Malformed> {
    let mut fields = Fields(payload);
    fields.u8()?;
    Ok(fields.rest())
}

/// The connection id of a COM_PROCESS_KILL.
pub(crate) fn process_kill(payload: &[u8]) -> Result<u32, Malformed> {
    let mut fields = Fields(payload);
    fields.u8()?;
    fields.u32()
}

/// The option of a COM_SET_OPTION: 0 turns multi-statements on, 1 off.
pub(crate) fn set_option(payload: &[u8]) -> Result<u16, Malformed> {
    let mut fields = Fields(payload);
    fields.u8()?;
    fields.u16()
}

/// A COM_CHANGE_USER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeUser<'a> {
    /// The account.
    pub(crate) user: &'a [u8],
    /// Answer to the scramble of the login.
    pub(crate) auth: &'a [u8],
    /// Database; empty for none.
    pub(crate) database: &'a [u8],
    /// Collation id.
    pub(crate) collation: Option<u16>,
    /// Authentication plugin.
    pub(crate) plugin: Option<&'a [u8]>,
    /// Connection attributes: length-encoded pairs.
    pub(crate) attributes: &'a [u8],
}

impl<'a> ChangeUser<'a> {
    /// From a payload. What comes after the database is optional.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(payload);
        fields.u8()?;
        let user = fields.nul_terminated()?;
        let length = fields.u8()?;
        let auth = fields.bytes(u64::from(length))?;
        let database = fields.nul_terminated()?;
        let collation = if fields.is_empty() { None } else { Some(fields.u16()?) };
        let plugin = if fields.is_empty() {
            None
        } else {
            Some(fields.nul_terminated()?)
        };
        let attributes = if fields.is_empty() { &[][..] } else { fields.string()? };
        Ok(Self {
            user,
            auth,
            database,
            collation,
            plugin,
            attributes,
        })
    }
}

impl std::fmt::Debug for ChangeUser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeUser")
            .field("user", &String::from_utf8_lossy(self.user))
            .field("database", &String::from_utf8_lossy(self.database))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_commands() {
        assert_eq!(text(b"\x03SELECT 1"), Ok(&b"SELECT 1"[..]));
        assert_eq!(process_kill(&[0x0c, 1, 2, 0, 0]), Ok(513));
        assert_eq!(set_option(&[0x1b, 1, 0]), Ok(1));
        assert!(text(&[]).is_err() && process_kill(&[0x0c, 1]).is_err() && set_option(&[0x1b]).is_err());
    }

    #[test]
    fn a_change_of_user_in_all_its_lengths() {
        let full = b"\x11app\0\x03abcshop\0\x2d\0mysql_native_password\0\x04\x01a\x01b";
        let parsed = ChangeUser::parse(full).unwrap();
        assert_eq!(
            (parsed.user, parsed.auth, parsed.database),
            (&b"app"[..], &b"abc"[..], &b"shop"[..])
        );
        assert_eq!(
            (parsed.collation, parsed.plugin),
            (Some(45), Some(&b"mysql_native_password"[..]))
        );
        assert_eq!(parsed.attributes, b"\x01a\x01b");
        let short = ChangeUser::parse(b"\x11app\0\0\0").unwrap();
        assert_eq!((short.database, short.collation, short.plugin), (&b""[..], None, None));
        for cut in 0..full.len() {
            let _ = ChangeUser::parse(&full[..cut]);
        }
        assert!(!format!("{parsed:?}").contains("abc"));
    }
}
