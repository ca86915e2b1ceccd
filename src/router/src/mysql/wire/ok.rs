//! Views over the packets that end a result: OK, EOF and ERR.

use super::packet::{Fields, Malformed};
use super::track::Entries;

/// First byte of an OK packet.
pub(crate) const OK: u8 = 0x00;
/// First byte of an EOF packet, and of an OK packet in its place.
pub(crate) const EOF: u8 = 0xfe;
/// First byte of an ERR packet.
pub(crate) const ERR: u8 = 0xff;
/// First byte of a request for a local file.
pub(crate) const INFILE: u8 = 0xfb;

/// Status flags of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Status(pub(crate) u16);

// Bits that have no name here are passed on as they are.
impl Status {
    /// In a transaction.
    pub(crate) const IN_TRANS: Self = Self(0x1);
    /// `autocommit=1`.
    pub(crate) const AUTOCOMMIT: Self = Self(0x2);
    /// Another result follows.
    pub(crate) const MORE_RESULTS: Self = Self(0x8);
    /// No rows came: fetch them.
    pub(crate) const CURSOR_EXISTS: Self = Self(0x40);
    /// The cursor is at its end.
    pub(crate) const LAST_ROW_SENT: Self = Self(0x80);
    /// `sql_mode` has NO_BACKSLASH_ESCAPES.
    pub(crate) const NO_BACKSLASH_ESCAPES: Self = Self(0x200);
    /// In a READ ONLY transaction.
    pub(crate) const IN_TRANS_READONLY: Self = Self(0x2000);
    /// Session tracking follows.
    pub(crate) const STATE_CHANGED: Self = Self(0x4000);

    /// `sql_mode` has ANSI_QUOTES.
    pub(crate) const ANSI_QUOTES: Self = Self(0x8000);
    /// What a session sets, and what holds until it sets it anew.
    const SETTINGS: Self = Self(Self::AUTOCOMMIT.0 | Self::NO_BACKSLASH_ESCAPES.0 | Self::ANSI_QUOTES.0);

    /// Whether any of `bits` is set.
    pub(crate) const fn any(self, bits: Self) -> bool {
        self.0 & bits.0 != 0
    }

    /// Only what stays as it is between statements; the rest belongs to the last one.
    pub(crate) const fn lasting(self) -> Self {
        Self(self.0 & (Self::IN_TRANS.0 | Self::IN_TRANS_READONLY.0 | Self::SETTINGS.0))
    }

    /// With the settings of a session as in `other`.
    pub(crate) const fn with_settings_of(self, other: Self) -> Self {
        Self(self.0 & !Self::SETTINGS.0 | other.0 & Self::SETTINGS.0)
    }

    /// With `bits`.
    pub(crate) const fn with(self, bits: Self) -> Self {
        Self(self.0 | bits.0)
    }

    /// Without `bits`.
    pub(crate) const fn without(self, bits: Self) -> Self {
        Self(self.0 & !bits.0)
    }
}

/// An OK packet, also one in the place of an EOF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OkPacket<'a> {
    /// Affected rows.
    pub(crate) affected_rows: u64,
    /// Last insert id.
    pub(crate) last_insert_id: u64,
    /// Status flags.
    pub(crate) status: Status,
    /// Number of warnings.
    pub(crate) warnings: u16,
    /// Text such as `Records: 2  Duplicates: 0  Warnings: 0`.
    pub(crate) info: &'a [u8],
    /// Session tracking, undecoded.
    pub(crate) tracked: &'a [u8],
}

impl<'a> OkPacket<'a> {
    /// From a payload, whose first byte (OK or EOF) was checked by the caller.
    ///
    /// MariaDB writes the info text with its length whether or not SESSION_TRACK was negotiated, and only the status
    /// flag tells whether tracking follows; so `session_track` matters only for a server that sets the flag without it.
    pub(crate) fn parse(payload: &'a [u8], session_track: bool) -> Result<Self, Malformed> {
        let mut fields = Fields(payload);
        fields.u8()?;
        let affected_rows = fields.lenenc()?;
        let last_insert_id = fields.lenenc()?;
        let status = Status(fields.u16()?);
        let warnings = fields.u16()?;
        let info = if fields.is_empty() { &[][..] } else { fields.string()? };
        let tracked = if session_track && status.any(Status::STATE_CHANGED) && !fields.is_empty() {
            fields.string()?
        } else {
            &[]
        };
        if !fields.is_empty() {
            return Err(Malformed("an OK packet goes on after its end"));
        }
        Ok(Self {
            affected_rows,
            last_insert_id,
            status,
            warnings,
            info,
            tracked,
        })
    }

    /// The session tracking in it.
    pub(crate) const fn entries(&self) -> Entries<'a> {
        Entries::new(self.tracked)
    }
}

/// An EOF packet as it was before DEPRECATE_EOF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EofPacket {
    /// Number of warnings.
    pub(crate) warnings: u16,
    /// Status flags.
    pub(crate) status: Status,
}

impl EofPacket {
    /// Its payload.
    pub(crate) const fn payload(self) -> [u8; 5] {
        let ([a, b], [c, d]) = (self.warnings.to_le_bytes(), self.status.0.to_le_bytes());
        [EOF, a, b, c, d]
    }
}

/// An ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrPacket<'a> {
    /// The server's error number.
    pub(crate) code: u16,
    /// SQLSTATE; `HY000` in an error from before the login, which has none.
    pub(crate) sqlstate: [u8; 5],
    /// Text.
    pub(crate) message: &'a [u8],
}

impl<'a> ErrPacket<'a> {
    /// From a payload, whose first byte was checked by the caller.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(payload);
        fields.u8()?;
        let code = fields.u16()?;
        let mut state = fields;
        match state.array::<6>() {
            Ok([b'#', a, b, c, d, e]) => Ok(Self {
                code,
                sqlstate: [a, b, c, d, e],
                message: state.rest(),
            }),
            _ => Ok(Self {
                code,
                sqlstate: *b"HY000",
                message: fields.rest(),
            }),
        }
    }
}
