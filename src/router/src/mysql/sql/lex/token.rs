//! Tokens.

use crate::mysql::sql::word;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword without quotes.
    Word,
    /// A name in backticks (or double quotes under `ANSI_QUOTES`), quotes included.
    Quoted,
    /// A string, quotes and prefix (`N'…'`, `X'…'`, `b'…'`) included.
    Text,
    /// A number, `0x…` and `0b…` included.
    Number,
    /// `@name`, the sign included.
    UserVar,
    /// `@@name`, `@@global.name`, the signs included.
    SysVar,
    /// `?`.
    Param,
    /// `:=`.
    Assign,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `.`.
    Dot,
    /// `;`.
    Semicolon,
    /// Any other single byte.
    Op,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its bytes as written.
    pub(crate) text: &'a [u8],
}

impl<'a> Token<'a> {
    /// Whether it is this keyword (capitals), without quotes.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && word::is(self.text, keyword)
    }

    /// Whether it is this one byte of punctuation.
    pub(crate) fn is_op(&self, byte: u8) -> bool {
        self.kind == Kind::Op && self.text == [byte]
    }

    /// The name it stands for, quotes taken off; none for anything but a name.
    pub(crate) fn name(&self) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Word => Some(self.text),
            Kind::Quoted => Some(inside(self.text)),
            _ => None,
        }
    }
}

/// A text without its first and last byte.
fn inside(text: &[u8]) -> &[u8] {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}
