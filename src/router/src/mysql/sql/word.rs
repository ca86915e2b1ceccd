//! Words compared without case, eight bytes at a time.

/// The first eight bytes of a word, folded so that case does not matter. Words of up to eight letters have a key of their
/// own, so `match` on keys replaces a chain of comparisons; longer ones need [`is`] or their length besides.
///
/// Folding clears one bit, which maps letters on capitals and keeps every other byte that a word may have apart from
/// letters and from each other, except bytes above 127, which no keyword has.
#[inline]
pub(crate) fn key(word: &[u8]) -> u64 {
    if let Some(first) = word.first_chunk::<8>() {
        return u64::from_le_bytes(*first) & FOLD;
    }
    let mut bytes = [0_u8; 8];
    for (to, from) in bytes.iter_mut().zip(word) {
        *to = *from;
    }
    u64::from_le_bytes(bytes) & FOLD
}

const FOLD: u64 = 0xDFDF_DFDF_DFDF_DFDF;

/// [`key`] of a constant.
pub(crate) const fn constant(word: &str) -> u64 {
    let mut rest = word.as_bytes();
    let mut bytes = 0_u64;
    let mut shift = 0_u32;
    while let [first, tail @ ..] = rest {
        if shift == 64 {
            break;
        }
        bytes |= (*first as u64) << shift;
        shift = shift.saturating_add(8);
        rest = tail;
    }
    bytes & FOLD
}

/// Whether `word` is `keyword` (capitals), whatever its case.
#[inline]
pub(crate) fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// Whether `word` is one of `keywords`.
pub(crate) fn is_any(word: &[u8], keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| is(word, keyword))
}
