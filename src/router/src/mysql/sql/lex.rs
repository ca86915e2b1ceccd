//! Text to tokens, without allocation and over any bytes.
//!
//! Follows the server's own rules (10.11): what is inside an executable comment (`/*! … */`, `/*!50001 … */`, `/*M! … */`)
//! is code. A comment with a version that 10.11 does not execute makes the whole text *unsure*: its verdict is then the
//! primary.

mod bytes;
mod dialect;
mod literal;
mod token;

pub(crate) use dialect::{Charset, Dialect};
#[cfg(test)]
use literal::unquote;
pub(crate) use literal::unquote_or_same;
pub(crate) use token::{Kind, Token};

use bytes::{is_digit, is_space, is_word};

/// The scanner. Also remembers what it went past besides tokens.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    rest: &'a [u8],
    dialect: Dialect,
    last: Kind,
    executable: bool,
    /// The inside of the first comment so far.
    pub(crate) comment: Option<&'a [u8]>,
    /// Something here is read differently by different servers, or does not end.
    pub(crate) unsure: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning.
    #[inline]
    pub(crate) const fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self {
            text,
            rest: text,
            dialect,
            last: Kind::Semicolon,
            executable: false,
            comment: None,
            unsure: false,
        }
    }

    /// What is left to read, white space and comments included.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The whole text.
    pub(crate) const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// How the text is read.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The next token without going past it.
    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        self.clone().next()
    }

    /// Goes past the next token if it is this keyword.
    pub(crate) fn eat(&mut self, keyword: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.next().is_some_and(|token| token.is(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Goes past these keywords if all follow.
    pub(crate) fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = self.clone();
        let found = keywords.iter().all(|keyword| ahead.eat(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Whether nothing but a trailing `;` is left.
    pub(crate) fn at_end(&self) -> bool {
        self.clone().all(|token| token.kind == Kind::Semicolon)
    }

    #[inline]
    fn token(&mut self, kind: Kind, len: usize) -> Option<Token<'a>> {
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        self.last = kind;
        Some(Token { kind, text })
    }

    #[inline]
    fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.rest.get(at).copied()
    }

    /// Where a word that starts at `from` ends.
    #[inline]
    fn word_end(&self, from: usize) -> usize {
        let tail = self.rest.get(from..).unwrap_or_default();
        let len = tail.iter().position(|byte| !is_word(*byte)).unwrap_or(tail.len());
        from.saturating_add(len)
    }

    /// Where a quoted thing whose opening quote is at `open` ends (behind its closing quote).
    fn quoted_end(&mut self, open: usize, escapes: bool) -> usize {
        let Some(quote) = self.byte(open) else {
            return self.rest.len();
        };
        let mut at = open.saturating_add(1);
        loop {
            let tail = self.rest.get(at..).unwrap_or_default();
            let Some(found) = tail
                .iter()
                .position(|byte| *byte == quote || (escapes && *byte == b'\\'))
            else {
                self.unsure = true;
                return self.rest.len();
            };
            at = at.saturating_add(found).saturating_add(1);
            if tail.get(found) == Some(&b'\\') || self.byte(at) == Some(quote) {
                at = at.saturating_add(1);
            } else {
                return at;
            }
        }
    }

    fn string(&mut self, open: usize) -> Option<Token<'a>> {
        let end = self.quoted_end(open, !self.dialect.no_backslash_escapes);
        self.token(Kind::Text, end)
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let end = self.word_end(1);
        if end == 1
            && self.byte(1) == Some(b'\'')
            && matches!(self.byte(0), Some(b'n' | b'N' | b'x' | b'X' | b'b' | b'B'))
        {
            return self.string(1);
        }
        self.token(Kind::Word, end)
    }

    /// A number, or a name that starts with a digit. A number ends where the server ends it, so that the `FOR` of
    /// `a=1.FOR UPDATE` and of `1e5for update` is a word.
    fn number(&mut self) -> Option<Token<'a>> {
        let digits = self.digits(0);
        if self.byte(digits) == Some(b'.') && self.last != Kind::Dot {
            return self.fraction(digits);
        }
        let exponent = self.exponent(digits);
        if exponent > digits {
            return self.token(Kind::Number, exponent);
        }
        let end = self.word_end(0);
        let kind = match self.rest.get(..end).unwrap_or_default() {
            [b'0', b'x', hex @ ..] if !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit) => Kind::Number,
            [b'0', b'b', bits @ ..] if !bits.is_empty() && bits.iter().all(|bit| matches!(bit, b'0' | b'1')) => {
                Kind::Number
            }
            _ if digits == end => Kind::Number,
            _ => Kind::Word,
        };
        self.token(kind, end)
    }

    /// A number whose point is at `point`.
    fn fraction(&mut self, point: usize) -> Option<Token<'a>> {
        let end = self.digits(point.saturating_add(1));
        let end = self.exponent(end);
        self.token(Kind::Number, end)
    }

    /// Where the digits end that start at `from`.
    fn digits(&self, from: usize) -> usize {
        let tail = self.rest.get(from..).unwrap_or_default();
        let len = tail.iter().position(|byte| !is_digit(*byte)).unwrap_or(tail.len());
        from.saturating_add(len)
    }

    /// Where a number ends whose digits end at `end`: there, or behind an exponent.
    fn exponent(&self, end: usize) -> usize {
        if !matches!(self.byte(end), Some(b'e' | b'E')) {
            return end;
        }
        let sign = end.saturating_add(1);
        let signed = matches!(self.byte(sign), Some(b'+' | b'-'));
        let first = sign.saturating_add(usize::from(signed));
        let last = self.digits(first);
        if last > first { last } else { end }
    }

    fn variable(&mut self) -> Option<Token<'a>> {
        let (kind, from) = if self.byte(1) == Some(b'@') {
            (Kind::SysVar, 2)
        } else {
            (Kind::UserVar, 1)
        };
        let tail = self.rest.get(from..).unwrap_or_default();
        let len = tail
            .iter()
            .position(|byte| !is_word(*byte) && *byte != b'.')
            .unwrap_or(tail.len());
        let end = from.saturating_add(len);
        let end = match self.byte(end) {
            Some(b'`') if kind == Kind::SysVar || len == 0 => self.quoted_end(end, false),
            Some(b'\'' | b'"') if kind == Kind::UserVar && len == 0 => {
                self.quoted_end(end, !self.dialect.no_backslash_escapes)
            }
            _ => end,
        };
        self.token(kind, end)
    }

    /// Notes the inside of a comment, if it is the first.
    fn note(&mut self, from: usize, to: usize) {
        if self.comment.is_none() {
            self.comment = self.rest.get(from..to);
        }
    }

    fn line_comment(&mut self, from: usize) {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(self.rest.len());
        self.note(from, end);
        self.skip(end);
    }

    /// At `/*`. Goes past a comment; of an executable one only past its opening.
    fn block_comment(&mut self) {
        let code = match self.rest {
            [_, _, b'!', ..] => Some(3),
            [_, _, b'M', b'!', ..] => Some(4),
            _ => None,
        };
        if let Some(len) = code {
            self.skip(len);
            self.version();
            self.executable = true;
            return;
        }
        let tail = self.rest.get(2..).unwrap_or_default();
        if let Some(len) = tail.windows(2).position(|pair| pair == b"*/") {
            let end = len.saturating_add(2);
            self.note(2, end);
            self.skip(end.saturating_add(2));
        } else {
            self.unsure = true;
            self.rest = &[];
        }
    }

    /// The version after `/*!`: five digits, or six. 10.11 executes MySQL's up to 5.6 and its own up to 10.11.
    fn version(&mut self) {
        let digits = self
            .rest
            .iter()
            .take(6)
            .position(|byte| !is_digit(*byte))
            .unwrap_or(6)
            .min(self.rest.len());
        if digits < 5 {
            return;
        }
        let number = self.rest.iter().take(digits).fold(0_u32, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(u32::from(digit.wrapping_sub(b'0')))
        });
        self.skip(digits);
        if !matches!(number, 0..50_700 | 100_000..=101_100) {
            self.unsure = true;
        }
    }

    fn single(&mut self, byte: u8) -> Option<Token<'a>> {
        let kind = match byte {
            b'(' => Kind::Open,
            b')' => Kind::Close,
            b',' => Kind::Comma,
            b'.' => Kind::Dot,
            b';' => Kind::Semicolon,
            b'?' => Kind::Param,
            b':' if self.byte(1) == Some(b'=') => return self.token(Kind::Assign, 2),
            _ => Kind::Op,
        };
        self.token(kind, 1)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    #[inline]
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.rest.first()?;
            if is_space(byte) {
                self.skip(1);
                continue;
            }
            if is_digit(byte) {
                return self.number();
            }
            if is_word(byte) {
                return self.word();
            }
            match (byte, self.byte(1)) {
                (b'\'', _) => return self.string(0),
                (b'"', _) if !self.dialect.ansi_quotes => return self.string(0),
                (b'"' | b'`', _) => {
                    let end = self.quoted_end(0, false);
                    return self.token(Kind::Quoted, end);
                }
                (b'@', _) => return self.variable(),
                (b'.', Some(next)) if is_digit(next) && !matches!(self.last, Kind::Word | Kind::Quoted) => {
                    return self.fraction(0);
                }
                (b'#', _) => self.line_comment(1),
                (b'-', Some(b'-'))
                    if self
                        .byte(2)
                        .is_none_or(|byte| is_space(byte) || byte.is_ascii_control()) =>
                {
                    self.line_comment(2);
                }
                (b'/', Some(b'*')) => self.block_comment(),
                (b'*', Some(b'/')) if self.executable => {
                    self.executable = false;
                    self.skip(2);
                }
                _ => return self.single(byte),
            }
        }
    }
}

#[cfg(test)]
#[path = "lex_test.rs"]
mod tests;
