//! String literals and what they say.

use std::borrow::Cow;

use super::Dialect;

/// What a string literal (as written, quotes included) says.
pub(super) fn unquote(literal: &[u8], dialect: Dialect) -> Cow<'_, [u8]> {
    let start = literal
        .iter()
        .position(|byte| matches!(byte, b'\'' | b'"'))
        .unwrap_or(0);
    let Some((quote, body)) = literal.get(start..).and_then(<[u8]>::split_first) else {
        return Cow::Borrowed(&[]);
    };
    let body = body.strip_suffix(&[*quote]).unwrap_or(body);
    let escapes = !dialect.no_backslash_escapes;
    if !body.iter().any(|byte| byte == quote || (escapes && *byte == b'\\')) {
        return Cow::Borrowed(body);
    }
    let mut plain = Vec::with_capacity(body.len());
    let mut bytes = body.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if escapes => match bytes.next() {
                Some(b'n') => plain.push(b'\n'),
                Some(b't') => plain.push(b'\t'),
                Some(b'r') => plain.push(b'\r'),
                Some(b'b') => plain.push(8),
                Some(b'0') => plain.push(0),
                Some(b'Z') => plain.push(26),
                Some(pattern @ (b'%' | b'_')) => plain.extend([b'\\', pattern]),
                Some(other) => plain.push(other),
                None => plain.push(b'\\'),
            },
            _ => {
                if byte == *quote {
                    bytes.next();
                }
                plain.push(byte);
            }
        }
    }
    Cow::Owned(plain)
}

/// [`unquote`] of a literal; anything else as it is.
pub(crate) fn unquote_or_same(value: &[u8], dialect: Dialect) -> Cow<'_, [u8]> {
    match value.first() {
        Some(b'\'' | b'"') => unquote(value, dialect),
        _ => Cow::Borrowed(value),
    }
}
