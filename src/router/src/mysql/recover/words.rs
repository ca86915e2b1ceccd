//! A statement's text as words, just enough to find verbs, table names and row lists.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

/// One piece of a statement. Whitespace and comments are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A keyword, a name or a number, as written.
    Bare(&'a [u8]),
    /// A name in backticks, without them; one that contains a backtick is left doubled.
    Quoted(&'a [u8]),
    /// A string in single or double quotes; what it says does not matter here.
    Text,
    /// Any other byte.
    Sign(u8),
    /// A comment whose contents the server executes, or text that ends within quotes: reading on would be guessing.
    Unreadable,
}

impl Word<'_> {
    /// Whether it is this keyword.
    pub(super) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Bare(word) if word.eq_ignore_ascii_case(keyword.as_bytes()))
    }
}

/// Reads a text word by word.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(super) const fn of(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// Drops `len` bytes and returns them.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Skips blanks and comments. `false` before a comment that is executed.
    fn skip(&mut self) -> bool {
        loop {
            let blanks = self.rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.take(blanks);
            match self.rest {
                [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..] => return false,
                [b'/', b'*', ..] => {
                    let end = find(self.rest, b"*/", 2).map_or(self.rest.len(), |at| at.saturating_add(2));
                    self.take(end);
                }
                [b'#', ..] | [b'-', b'-'] => self.skip_line(),
                [b'-', b'-', next, ..] if next.is_ascii_whitespace() || next.is_ascii_control() => self.skip_line(),
                _ => return true,
            }
        }
    }

    fn skip_line(&mut self) {
        let end = self.rest.iter().take_while(|byte| **byte != b'\n').count();
        self.take(end);
    }

    /// The inside of something quoted; the opening quote is the first byte. `None` if it does not end.
    fn quoted(&mut self, quote: u8, escapes: bool) -> Option<&'a [u8]> {
        let mut at = 1_usize;
        loop {
            let byte = *self.rest.get(at)?;
            if byte == b'\\' && escapes {
                at = at.saturating_add(2);
            } else if byte != quote {
                at = at.saturating_add(1);
            } else if self.rest.get(at.saturating_add(1)) == Some(&quote) {
                at = at.saturating_add(2);
            } else {
                break;
            }
        }
        let whole = self.take(at.saturating_add(1));
        whole.get(1..at)
    }

    fn bare(&mut self) -> &'a [u8] {
        let len = self.rest.iter().take_while(|byte| is_name(**byte)).count();
        self.take(len)
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        if !self.skip() {
            self.rest = &[];
            return Some(Word::Unreadable);
        }
        let word = match *self.rest.first()? {
            b'`' => self.quoted(b'`', false).map(Word::Quoted),
            quote @ (b'\'' | b'"') => self.quoted(quote, true).map(|_| Word::Text),
            byte if is_name(byte) => Some(Word::Bare(self.bare())),
            byte => {
                self.take(1);
                Some(Word::Sign(byte))
            }
        };
        if word.is_none() {
            self.rest = &[];
        }
        Some(word.unwrap_or(Word::Unreadable))
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let tail = text.get(from..)?;
    let at = tail.windows(needle.len()).position(|window| window == needle)?;
    at.checked_add(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word<'_>> {
        Words::of(text.as_bytes()).collect()
    }

    #[test]
    fn comments_and_strings_do_not_count() {
        let text = "/*q:1*/ -- x\n# y\nINSERT INTO `a``b`.t VALUES ('it''s \\' (', \"x\") -- end";
        let expected = [
            Word::Bare(b"INSERT"),
            Word::Bare(b"INTO"),
            Word::Quoted(b"a``b"),
            Word::Sign(b'.'),
            Word::Bare(b"t"),
            Word::Bare(b"VALUES"),
            Word::Sign(b'('),
            Word::Text,
            Word::Sign(b','),
            Word::Text,
            Word::Sign(b')'),
        ];
        assert_eq!(words(text), expected);
        assert_eq!(
            words("1--1"),
            [Word::Bare(b"1"), Word::Sign(b'-'), Word::Sign(b'-'), Word::Bare(b"1")]
        );
    }

    #[test]
    fn what_is_not_understood_ends_the_reading() {
        assert_eq!(words("/*!50000 UPDATE */ t"), [Word::Unreadable]);
        assert_eq!(words("/*M!100100 UPDATE */ t"), [Word::Unreadable]);
        assert_eq!(words("a 'b"), [Word::Bare(b"a"), Word::Unreadable]);
        assert_eq!(words("a /* b"), [Word::Bare(b"a")]);
        assert_eq!(words(""), []);
    }
}
