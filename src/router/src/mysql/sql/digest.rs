//! The shape of a statement: its text without values, comments and white space.
//!
//! The hash is computed while the classifier scans, without allocation. The readable text is built only when a shape is
//! seen for the first time. Both come from one machine ([`Shaper`]), so they cannot disagree:
//!
//! - every literal and every `?` becomes `?`, the sign of a number with it;
//! - a list of literals after `IN` becomes `(...)`, as does a row of literals after `VALUES`;
//! - further rows after `VALUES` that look like the one before are left out;
//! - words without quotes are compared without case.

use super::lex::{Dialect, Kind, Lexer, Token};
use super::word::{constant, key};

mod text;

use text::Text;

/// Longest readable shape, in bytes.
pub(crate) const TEXT_MAX_BYTES: usize = 1024;

/// Makes a shape readable, at most [`TEXT_MAX_BYTES`] long.
pub(crate) fn text(statement: &[u8], dialect: Dialect) -> Box<str> {
    let mut shaper = Shaper::<Text>::default();
    for token in Lexer::new(statement, dialect) {
        shaper.push(&token, key(token.text));
    }
    shaper.finish();
    shaper.sink.finish()
}

/// The shape's hash alone, for tests of the classifier, which computes the same on its way.
#[cfg(test)]
pub(crate) fn hash(statement: &[u8], dialect: Dialect) -> u64 {
    let mut shaper = Shaper::<()>::default();
    for token in Lexer::new(statement, dialect) {
        shaper.push(&token, key(token.text));
    }
    shaper.finish()
}

/// Where the readable text goes; nowhere (`()`) while only the hash is wanted.
pub(super) trait Sink: Default {
    /// A place to come back to.
    type Mark: Copy + Default + std::fmt::Debug;
    /// Where the text is now.
    fn mark(&self) -> Self::Mark;
    /// Forgets everything behind the mark.
    fn rewind(&mut self, mark: Self::Mark);
    /// Appends a token.
    fn put(&mut self, kind: Kind, text: &[u8]);
}

impl Sink for () {
    type Mark = ();
    fn mark(&self) -> Self::Mark {}
    fn rewind(&mut self, (): Self::Mark) {}
    fn put(&mut self, _: Kind, _: &[u8]) {}
}

/// Takes tokens, keeps a hash.
#[derive(Debug, Default)]
pub(super) struct Shaper<S: Sink> {
    hash: u64,
    last: Option<Kind>,
    /// A sign that waits for its number.
    sign: Option<u8>,
    expect: Expect,
    list: Option<List<S::Mark>>,
    sink: S,
}

/// What a parenthesis would open now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expect {
    #[default]
    Nothing,
    /// The list after `IN`.
    In,
    /// The first row after `VALUES`.
    Values,
    /// Behind a row with this hash.
    Comma(u64),
    /// Behind the comma that follows such a row. The comma is not yet part of the shape.
    Row(u64),
}

/// A list that may turn out to be literals only.
#[derive(Debug, Clone, Copy)]
struct List<M> {
    /// The hash before it.
    outer: u64,
    /// Where its text starts.
    start: M,
    /// Parentheses open inside it.
    depth: u32,
    /// Only literals so far.
    literal: bool,
    /// A row of `VALUES`, and the hash of the row before it.
    row: bool,
    before: Option<u64>,
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const LITERAL: u64 = 0x1001;
const LITERAL_LIST: u64 = 0x1002;
const WORD_END: u64 = 0x1003;

const IN: u64 = constant("IN");
const VALUES: u64 = constant("VALUES");
const VALUE: u64 = constant("VALUE");
const SELECT: u64 = constant("SELECT");
const NULL: u64 = constant("NULL");
const TRUE: u64 = constant("TRUE");
const FALSE: u64 = constant("FALSE");
const DEFAULT: u64 = constant("DEFAULT");

impl<S: Sink> Shaper<S> {
    /// Takes the next token; `key` is the [`key`] of its text.
    #[inline]
    pub(super) fn push(&mut self, token: &Token<'_>, key: u64) {
        match token.kind {
            Kind::Number | Kind::Text | Kind::Param => {
                if token.kind != Kind::Number {
                    self.settle();
                }
                self.sign = None;
                self.settle_comma();
                self.mix(LITERAL);
                self.sink.put(Kind::Param, b"?");
                self.expect = Expect::Nothing;
            }
            Kind::Op if matches!(token.text, b"-" | b"+") && !self.after_operand() => {
                self.settle();
                self.sign = token.text.first().copied();
                return;
            }
            Kind::Word => {
                self.settle();
                self.word(token, key);
            }
            Kind::Open => self.open(),
            Kind::Close => self.close(),
            Kind::Comma => {
                self.settle();
                if let Expect::Comma(row) = self.expect {
                    self.expect = Expect::Row(row);
                } else {
                    self.punctuation(token);
                }
            }
            Kind::Semicolon => {}
            Kind::Quoted | Kind::UserVar | Kind::SysVar => {
                self.settle();
                self.not_literal();
                let name = token.name().unwrap_or(token.text);
                self.mix_word(name, super::word::key(name));
                self.sink.put(token.kind, token.text);
                self.expect = Expect::Nothing;
            }
            Kind::Dot | Kind::Assign | Kind::Op => {
                self.settle();
                self.not_literal();
                self.punctuation(token);
            }
        }
        self.last = Some(token.kind);
    }

    /// The hash of everything pushed.
    pub(super) fn finish(&mut self) -> u64 {
        self.settle();
        let mut hash = self.hash;
        if let Some(list) = self.list.take() {
            hash ^= list.outer.rotate_left(32);
        }
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        hash ^= hash >> 33;
        hash
    }

    #[inline]
    const fn mix(&mut self, value: u64) {
        self.hash = (self.hash.rotate_left(5) ^ value).wrapping_mul(MULTIPLIER);
    }

    #[inline]
    fn mix_word(&mut self, word: &[u8], first: u64) {
        self.mix(first);
        if let Some(more) = word.get(8..)
            && !more.is_empty()
        {
            for chunk in more.chunks(8) {
                self.mix(key(chunk));
            }
        }
        self.mix(WORD_END);
    }

    fn word(&mut self, token: &Token<'_>, key: u64) {
        if !matches!(key, NULL | TRUE | FALSE | DEFAULT) {
            self.not_literal();
        }
        if key == SELECT {
            self.no_list();
        }
        self.mix_word(token.text, key);
        self.sink.put(token.kind, token.text);
        self.expect = match key {
            IN => Expect::In,
            VALUES | VALUE => Expect::Values,
            _ => Expect::Nothing,
        };
    }

    fn punctuation(&mut self, token: &Token<'_>) {
        self.mix(key(token.text) ^ 0x2000);
        self.sink.put(token.kind, token.text);
        self.expect = Expect::Nothing;
    }

    fn open(&mut self) {
        let expect = self.expect;
        if self.list.is_some() || matches!(expect, Expect::Nothing | Expect::Comma(_)) {
            self.settle();
            if let Some(list) = &mut self.list {
                list.depth = list.depth.saturating_add(1);
                list.literal = false;
            }
            self.mix(u64::from(b'('));
            self.sink.put(Kind::Open, b"(");
        } else {
            let start = self.sink.mark();
            let before = if let Expect::Row(row) = expect { Some(row) } else { None };
            if before.is_some() {
                self.sink.put(Kind::Comma, b",");
            }
            self.list = Some(List {
                outer: self.hash,
                start,
                depth: 0,
                literal: true,
                row: expect != Expect::In,
                before,
            });
            self.hash = 0;
            self.sink.put(Kind::Open, b"(");
        }
        self.expect = Expect::Nothing;
    }

    fn close(&mut self) {
        self.settle();
        self.expect = Expect::Nothing;
        match self.list {
            Some(list) if list.depth == 0 => {
                self.list = None;
                self.end_list(list);
            }
            _ => {
                if let Some(list) = &mut self.list {
                    list.depth = list.depth.saturating_sub(1);
                }
                self.mix(u64::from(b')'));
                self.sink.put(Kind::Close, b")");
            }
        }
    }

    fn end_list(&mut self, list: List<S::Mark>) {
        let row = if list.literal { LITERAL_LIST } else { self.hash };
        self.hash = list.outer;
        if list.before == Some(row) {
            self.sink.rewind(list.start);
        } else {
            self.mix(row);
            if list.literal {
                self.sink.rewind(list.start);
                if list.before.is_some() {
                    self.sink.put(Kind::Comma, b",");
                }
                self.sink.put(Kind::Open, b"(");
                self.sink.put(Kind::Dot, b"...");
            }
            self.sink.put(Kind::Close, b")");
        }
        if list.row {
            self.expect = Expect::Comma(row);
        }
    }

    fn after_operand(&self) -> bool {
        matches!(
            self.last,
            Some(
                Kind::Word
                    | Kind::Quoted
                    | Kind::Text
                    | Kind::Number
                    | Kind::Param
                    | Kind::UserVar
                    | Kind::SysVar
                    | Kind::Close
            )
        )
    }

    /// What was held back for the token that would have swallowed it becomes part of the shape.
    #[inline]
    fn settle(&mut self) {
        self.settle_comma();
        if let Some(sign) = self.sign.take() {
            self.not_literal();
            self.mix(u64::from(sign));
            self.sink.put(Kind::Op, &[sign]);
        }
    }

    #[inline]
    fn settle_comma(&mut self) {
        if let Expect::Row(_) = self.expect {
            self.expect = Expect::Nothing;
            self.mix(u64::from(b','));
            self.sink.put(Kind::Comma, b",");
        }
    }

    #[inline]
    const fn not_literal(&mut self) {
        if let Some(list) = &mut self.list {
            list.literal = false;
        }
    }

    /// A subquery: its own lists count from here on.
    fn no_list(&mut self) {
        if let Some(list) = self.list.take() {
            self.hash = self.hash.rotate_left(7) ^ list.outer;
        }
    }
}

#[cfg(test)]
#[path = "digest_test.rs"]
mod tests;
