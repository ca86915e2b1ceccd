//! What the session's variables say about reading a text.

use crate::mysql::sql::word::{is, is_any};

/// What the session's variables say about reading a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// `"x"` is a name, not a string.
    pub(crate) ansi_quotes: bool,
    /// A backslash in a string is a backslash.
    pub(crate) no_backslash_escapes: bool,
    /// How far bytes above 127 can be trusted.
    pub(crate) charset: Charset,
}

/// What bytes above 127 may mean in the client's character set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// UTF-8 and the like: such bytes are never space, quote or backslash.
    #[default]
    Utf8,
    /// One byte a character (latin1, …): may be a space outside of quotes.
    SingleByte,
    /// The byte after may look like a backslash or a backtick (big5, cp932, gbk, sjis).
    MultiByte,
}

impl Dialect {
    /// Takes a new value of `sql_mode`.
    #[must_use]
    pub(crate) fn with_sql_mode(mut self, mode: &[u8]) -> Self {
        let has = |name: &str| mode.split(|byte| *byte == b',').any(|part| is(part.trim_ascii(), name));
        self.ansi_quotes = ["ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"]
            .into_iter()
            .any(has);
        self.no_backslash_escapes = has("NO_BACKSLASH_ESCAPES");
        self
    }

    /// Takes the collation that a client has logged in with, by its number.
    #[must_use]
    pub(crate) const fn with_collation(mut self, collation: u8) -> Self {
        self.charset = match collation {
            // ascii, utf8mb3, utf8mb4, binary
            11 | 33 | 45 | 46 | 63 | 65 | 83 | 192..=215 | 223..=247 => Charset::Utf8,
            // big5, ujis, sjis, euckr, gb2312, gbk, cp932, eucjpms;
            // and what is not of this server, which then takes its own default, whatever that is.
            1 | 12 | 13 | 19 | 24 | 28 | 84..=88 | 91 | 95..=98 | 0 | 248.. => Charset::MultiByte,
            _ => Charset::SingleByte,
        };
        self
    }

    /// Takes a new value of `character_set_client`.
    #[must_use]
    pub(crate) fn with_charset(mut self, name: &[u8]) -> Self {
        self.charset = if is_any(name, &["utf8", "utf8mb3", "utf8mb4", "ascii", "binary"]) {
            Charset::Utf8
        } else if is_any(
            name,
            &["big5", "cp932", "eucjpms", "euckr", "gb2312", "gbk", "sjis", "ujis"],
        ) {
            Charset::MultiByte
        } else {
            Charset::SingleByte
        };
        self
    }
}
