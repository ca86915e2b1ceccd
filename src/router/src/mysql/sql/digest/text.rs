//! The readable text of a shape.

use super::{Sink, TEXT_MAX_BYTES};
use crate::mysql::sql::lex::Kind;
use crate::mysql::sql::word::is_any;

/// Tokens joined with as few spaces as can be read, up to a limit.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    last: Last,
    full: bool,
}

/// What the text ends with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// Nothing, or something that no space follows.
    #[default]
    Tight,
    /// A word, a literal, a variable.
    Word,
    /// A keyword that a space separates from a parenthesis.
    Keyword,
    /// A comma or a closing parenthesis.
    Loose,
}

/// Words with which a parenthesis is no call.
const SPACED: [&str; 24] = [
    "ALL", "AND", "ANY", "AS", "BY", "CASE", "DISTINCT", "ELSE", "EXCEPT", "EXISTS", "FROM", "HAVING", "IN", "JOIN",
    "NOT", "ON", "OR", "SELECT", "THEN", "UNION", "USING", "VALUES", "WHEN", "WHERE",
];

impl Sink for Text {
    type Mark = (usize, Last);

    fn mark(&self) -> Self::Mark {
        (self.bytes.len(), self.last)
    }

    fn rewind(&mut self, (len, last): Self::Mark) {
        if len < self.bytes.len() {
            self.bytes.truncate(len);
            self.full = false;
            self.last = last;
        }
    }

    fn put(&mut self, kind: Kind, text: &[u8]) {
        // `SELECT *`, not `SELECT*`; in `COUNT(*)` and `t.*` nothing asks for a space.
        let kind = if text == b"*" { Kind::Word } else { kind };
        let spaced = match kind {
            Kind::Word | Kind::Quoted | Kind::Param | Kind::UserVar | Kind::SysVar => self.last != Last::Tight,
            Kind::Open => matches!(self.last, Last::Keyword | Last::Loose),
            _ => false,
        };
        let len = text.len().saturating_add(usize::from(spaced));
        if self.full || self.bytes.len().saturating_add(len) > TEXT_MAX_BYTES {
            self.full = true;
            return;
        }
        if spaced {
            self.bytes.push(b' ');
        }
        self.bytes.extend_from_slice(text);
        self.last = match kind {
            Kind::Word if is_any(text, &SPACED) => Last::Keyword,
            Kind::Word | Kind::Quoted | Kind::Param | Kind::UserVar | Kind::SysVar => Last::Word,
            Kind::Comma | Kind::Close => Last::Loose,
            _ => Last::Tight,
        };
    }
}

impl Text {
    /// The text so far.
    pub(super) fn finish(self) -> Box<str> {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
        text.into()
    }
}
