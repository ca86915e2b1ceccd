//! What a byte may be part of, by table.

const SPACE: u8 = 1;
const DIGIT: u8 = 2;
const WORD: u8 = 4;

const TABLE: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0_u8;
    while let [first, tail @ ..] = rest {
        *first = class(byte);
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
}

const fn class(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
        b'0'..=b'9' => DIGIT | WORD,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80..=0xff => WORD,
        _ => 0,
    }
}

#[inline]
fn has(byte: u8, class: u8) -> bool {
    TABLE.get(usize::from(byte)).is_some_and(|found| found & class != 0)
}

/// White space between tokens.
#[inline]
pub(super) fn is_space(byte: u8) -> bool {
    has(byte, SPACE)
}

/// A decimal digit.
#[inline]
pub(super) fn is_digit(byte: u8) -> bool {
    has(byte, DIGIT)
}

/// Part of a name without quotes; digits included.
#[inline]
pub(super) fn is_word(byte: u8) -> bool {
    has(byte, WORD)
}
