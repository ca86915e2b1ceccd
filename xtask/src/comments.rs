//! Finds the comments of a Rust file; the lexers of the ecosystem throw them away.

/// A comment with the line on which it starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comment<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// All comments, doc comments included, in order.
pub(crate) fn comments(text: &str) -> Vec<Comment<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = if rest.starts_with(b"//") {
            let length = until_newline(rest);
            found.push(Comment {
                line,
                text: &text[at..at + length],
            });
            length
        } else if rest.starts_with(b"/*") {
            let length = block_comment(rest);
            found.push(Comment {
                line,
                text: &text[at..at + length],
            });
            length
        } else {
            literal(rest, at.checked_sub(1).map(|before| bytes[before]))
        };
        line += bytes[at..at + length].iter().filter(|byte| **byte == b'\n').count();
        at += length;
    }
    found
}

fn until_newline(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of the string or character literal that starts here, or 1.
fn literal(rest: &[u8], before: Option<u8>) -> usize {
    match rest[0] {
        b'"' => quoted(rest, b'"'),
        b'r' if !before.is_some_and(is_ident) || before == Some(b'b') || before == Some(b'c') => raw_string(rest),
        // A lifetime has no closing quote right behind its first character.
        b'\'' if rest.get(1) == Some(&b'\\') => quoted(rest, b'\''),
        b'\'' => character(rest),
        _ => 1,
    }
}

fn is_ident(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn character(rest: &[u8]) -> usize {
    let width = match rest.get(1) {
        Some(byte) if *byte >= 0xF0 => 4,
        Some(byte) if *byte >= 0xE0 => 3,
        Some(byte) if *byte >= 0xC0 => 2,
        _ => 1,
    };
    if rest.get(1 + width) == Some(&b'\'') {
        width + 2
    } else {
        1
    }
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 1;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = 2 + hashes;
    rest[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(rest.len(), |end| body + end + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(usize, &str)> {
        comments(source)
            .into_iter()
            .map(|comment| (comment.line, comment.text))
            .collect()
    }

    #[test]
    fn line_and_nested_block_comments_keep_their_lines() {
        let source = "//! top\nfn a() {} // tail\n/* one /* two */\nstill */ let x = 1;\n/// doc\n";
        assert_eq!(
            texts(source),
            [
                (1, "//! top"),
                (2, "// tail"),
                (3, "/* one /* two */\nstill */"),
                (5, "/// doc")
            ]
        );
    }

    #[test]
    fn literals_hide_what_looks_like_a_comment() {
        let source = r####"let a = "http://x"; let b = r#"// "no"#; let c = '"'; let d = b'\''; fn f<'a>(x: &'a str) {} // yes"####;
        assert_eq!(texts(source), [(1, "// yes")]);
    }

    #[test]
    fn escapes_and_wide_characters_do_not_derail() {
        let source = "let a = \"\\\\\"; let b = '→'; let for_each = br\"//\"; // yes\n\"\n\" // two";
        assert_eq!(texts(source), [(1, "// yes"), (3, "// two")]);
    }
}
