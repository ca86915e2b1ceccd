//! What a reply came to.

use super::super::ok::Status;
use super::super::track::Gtid;

/// What is known of a reply, complete when it is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) end: End,
    /// The server's flags in the last OK; `None` if there was none (an ERR carries no flags).
    pub(crate) status: Option<Status>,
    /// Affected rows, of the last result.
    pub(crate) affected_rows: u64,
    /// Last insert id, of the last result.
    pub(crate) last_insert_id: u64,
    /// Warnings, of the last result.
    pub(crate) warnings: u16,
    /// Results (OKs and result sets that ended well).
    pub(crate) results: u32,
    /// Rows of all result sets, or definitions of a COM_FIELD_LIST.
    pub(crate) rows: u64,
    /// Bytes that the server sent, headers included.
    pub(crate) bytes: u64,
    /// GTID of the last commit in it.
    pub(crate) gtid: Option<Gtid>,
    /// Transaction state, if it changed.
    pub(crate) transaction: Option<[u8; 8]>,
    /// SQL that begins a transaction like the next or the present one, if it changed; only of connections that track it.
    pub(crate) characteristics: Option<Box<[u8]>>,
    /// Whether the server said that something of the session changed.
    pub(crate) state_changed: bool,
    /// Variables (without `last_gtid`) and databases that were set.
    pub(crate) changes: Vec<Change>,
    /// Session tracking that a client without DEPRECATE_EOF is still to be told, with its next OK: to be given to the next
    /// reply ([`super::Reply::carrying`]). Nearly always empty.
    pub(crate) carried: Vec<u8>,
    /// Definitions of the columns that passed, packet by packet with sequence ids of 0; only of replies that gather them.
    pub(crate) definitions: Vec<u8>,
    /// What a prepare made.
    pub(crate) prepared: Option<Prepared>,
    /// First column of the first row; only of swallowed and of noticed replies.
    pub(crate) first: Option<First>,
    /// Text of the error; only of swallowed replies.
    pub(crate) message: Option<Box<str>>,
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// Well, or not yet.
    #[default]
    Ok,
    /// With an error.
    Err {
        /// The server's error number.
        code: u16,
        /// SQLSTATE.
        sqlstate: [u8; 5],
    },
}

/// A change of a session's variables or its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A system variable.
    Variable {
        /// Its name.
        name: Box<[u8]>,
        /// Its value.
        value: Box<[u8]>,
    },
    /// The current database.
    Schema(Box<[u8]>),
}

/// A prepared statement as the server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// The server's id.
    pub(crate) id: u32,
    /// Columns of its result; 0 of a statement without one.
    pub(crate) columns: u16,
    /// Parameters.
    pub(crate) params: u16,
}

/// A short value kept in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct First {
    length: u8,
    bytes: [u8; Self::BYTES_MAX],
}

impl First {
    /// Longer values are cut.
    pub(crate) const BYTES_MAX: usize = 62;
    const NULL: u8 = u8::MAX;

    pub(super) fn new(value: Option<&[u8]>) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        let Some(value) = value else {
            return Self {
                length: Self::NULL,
                bytes,
            };
        };
        for (place, byte) in bytes.iter_mut().zip(value) {
            *place = *byte;
        }
        let length = u8::try_from(value.len().min(Self::BYTES_MAX)).unwrap_or(0);
        Self { length, bytes }
    }

    /// The value; `None` if it is NULL.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        (self.length != Self::NULL).then(|| self.bytes.get(..usize::from(self.length)).unwrap_or_default())
    }

    /// The value as a number; 0 if it is NULL.
    pub(crate) fn number_or_zero(&self) -> Option<i64> {
        self.value().map_or(Some(0), |_| self.number())
    }

    /// The value as a number, if it is one.
    pub(crate) fn number(&self) -> Option<i64> {
        std::str::from_utf8(self.value()?).ok()?.parse().ok()
    }
}

impl std::fmt::Debug for First {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value() {
            Some(value) => write!(f, "{:?}", String::from_utf8_lossy(value)),
            None => f.write_str("NULL"),
        }
    }
}
