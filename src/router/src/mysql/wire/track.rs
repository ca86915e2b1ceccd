//! Session tracking: what an OK packet says about the session that made it.

use super::packet::{Fields, Malformed, lenenc, put_lenenc, put_string};

const SYSTEM_VARIABLE: u8 = 0;
const SCHEMA: u8 = 1;
const STATE_CHANGE: u8 = 2;
const CHARACTERISTICS: u8 = 4;
const TRANSACTION_STATE: u8 = 5;

/// Name under which MariaDB reports the GTID of what was just committed.
const LAST_GTID: &[u8] = b"last_gtid";

/// What `session_track_system_variables` names by default.
const DEFAULT_VARIABLES: [&[u8]; 5] = [
    b"autocommit",
    b"character_set_client",
    b"character_set_connection",
    b"character_set_results",
    b"time_zone",
];

/// A global transaction id of MariaDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gtid {
    /// Replication domain.
    pub(crate) domain: u32,
    /// Server on which it was first committed.
    pub(crate) server: u32,
    /// Position in the domain.
    pub(crate) sequence: u64,
}

impl Gtid {
    /// From `domain-server-sequence`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|byte| *byte == b'-');
        let mut number = || {
            let digits = parts.next().filter(|digits| !digits.is_empty())?;
            digits.iter().try_fold(0_u64, |number, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
                number.checked_mul(10)?.checked_add(u64::from(digit))
            })
        };
        let (domain, server, sequence) = (number()?, number()?, number()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            domain: domain.try_into().ok()?,
            server: server.try_into().ok()?,
            sequence,
        })
    }
}

/// One change of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A system variable was set; `last_gtid` that parses is [`Entry::LastGtid`].
    Variable {
        /// Its name.
        name: &'a [u8],
        /// Its value as SHOW VARIABLES shows it.
        value: &'a [u8],
    },
    /// The GTID of what was just committed.
    LastGtid(Gtid),
    /// The current database.
    Schema(&'a [u8]),
    /// Something of the session changed (a variable, a temporary table, a prepared statement, …).
    StateChange(bool),
    /// SQL that starts a transaction like the current one.
    Characteristics(&'a [u8]),
    /// Eight letters, such as `T_R_w___`; all `_` outside transactions.
    Transaction([u8; 8]),
    /// Not known to this code.
    Other {
        /// Type of the entry.
        kind: u8,
        /// Its data.
        data: &'a [u8],
    },
}

impl Entry<'_> {
    /// Whether a server with default settings would have sent it.
    pub(crate) fn is_default(&self) -> bool {
        match self {
            Self::Schema(_) => true,
            Self::Variable { name, .. } => DEFAULT_VARIABLES.contains(name),
            Self::LastGtid(_)
            | Self::StateChange(_)
            | Self::Characteristics(_)
            | Self::Transaction(_)
            | Self::Other { .. } => false,
        }
    }

    /// Bytes of it on the wire, if it [`Self::is_default`]; 0 otherwise.
    pub(crate) fn default_bytes(&self) -> u64 {
        let data = match self {
            Self::Schema(name) => string_bytes(name),
            Self::Variable { name, value } if self.is_default() => {
                string_bytes(name).saturating_add(string_bytes(value))
            }
            _ => return 0,
        };
        data.saturating_add(lenenc(data).1 as u64).saturating_add(1)
    }

    /// Appends it as it is on the wire, if it [`Self::is_default`]; nothing otherwise.
    pub(crate) fn put_default(&self, out: &mut Vec<u8>) {
        match self {
            Self::Schema(name) => {
                out.push(SCHEMA);
                put_lenenc(out, string_bytes(name));
                put_string(out, name);
            }
            Self::Variable { name, value } if self.is_default() => {
                out.push(SYSTEM_VARIABLE);
                put_lenenc(out, string_bytes(name).saturating_add(string_bytes(value)));
                put_string(out, name);
                put_string(out, value);
            }
            _ => {}
        }
    }
}

/// Bytes of a length-encoded string.
fn string_bytes(value: &[u8]) -> u64 {
    let length = value.len() as u64;
    (lenenc(length).1 as u64).saturating_add(length)
}

/// Iterator over the entries in an OK packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entries<'a> {
    rest: Fields<'a>,
    /// Pairs left in an entry of system variables, which may hold several.
    variables: Fields<'a>,
}

impl<'a> Entries<'a> {
    /// Over the tracking field of an OK packet.
    pub(crate) const fn new(tracked: &'a [u8]) -> Self {
        Self {
            rest: Fields(tracked),
            variables: Fields(&[]),
        }
    }

    fn variable(&mut self) -> Result<Entry<'a>, Malformed> {
        let (name, value) = (self.variables.string()?, self.variables.string()?);
        if name == LAST_GTID
            && let Some(gtid) = Gtid::parse(value)
        {
            return Ok(Entry::LastGtid(gtid));
        }
        Ok(Entry::Variable { name, value })
    }

    fn entry(&mut self) -> Result<Entry<'a>, Malformed> {
        let kind = self.rest.u8()?;
        let data = self.rest.string()?;
        let mut fields = Fields(data);
        Ok(match kind {
            SYSTEM_VARIABLE => {
                self.variables = fields;
                return self.variable();
            }
            SCHEMA => Entry::Schema(fields.string()?),
            // The one kind whose data is not a string in a string.
            STATE_CHANGE => Entry::StateChange(data == b"1"),
            CHARACTERISTICS => Entry::Characteristics(fields.string()?),
            TRANSACTION_STATE => match fields.string()?.try_into() {
                Ok(state) => Entry::Transaction(state),
                Err(_) => Entry::Other { kind, data },
            },
            _ => Entry::Other { kind, data },
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = if !self.variables.is_empty() {
            self.variable()
        } else if !self.rest.is_empty() {
            self.entry()
        } else {
            return None;
        };
        if entry.is_err() {
            *self = Self::new(&[]);
        }
        Some(entry)
    }
}
