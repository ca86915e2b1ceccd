//! Text that goes into statements which accept no placeholders.

/// A string literal, quoted. Agent sessions never run with `NO_BACKSLASH_ESCAPES`.
pub(crate) fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn quotes_and_backslashes_cannot_end_the_literal() {
        assert_eq!(literal(r"a'b\c"), r"'a\'b\\c'");
    }
}
