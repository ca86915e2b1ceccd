//! Where a file that redb refuses is damaged: a search for records that do not verify, over the raw bytes.
//!
//! Only for the error message. redb says that a checksum of one of its pages is wrong, not what was in it.

use super::record;

/// How every record's JSON begins.
const MARK: &[u8] = br#"{"v":"#;
/// Longest record that is looked at.
const RECORD_MAX: usize = 2 * crate::config::COMMAND_BYTES_MAX;

/// Describes the first record that does not verify, with its place in the file.
pub(super) fn damaged_record(file: &[u8]) -> Option<String> {
    let mut from = 0;
    while let Some(found) = find(&file[from..]) {
        let start = from + found;
        from = start + MARK.len();
        let Some(begin) = start.checked_sub(record::PREFIX) else {
            continue;
        };
        let text = &file[start..file.len().min(start + RECORD_MAX)];
        let Some(length) = object_length(text) else {
            continue;
        };
        let whole = &file[begin..start + length];
        if !record::verifies(whole) {
            let shown: String = String::from_utf8_lossy(&text[..length.min(32)]).into_owned();
            return Some(format!("byte {begin}, the record that begins `{shown}`"));
        }
    }
    None
}

fn find(bytes: &[u8]) -> Option<usize> {
    // A nested `{"v":` (a command) stands after a colon, a record after the space that ends its checksum.
    bytes
        .windows(MARK.len() + 1)
        .position(|window| window[0] == b' ' && &window[1..] == MARK)
        .map(|at| at + 1)
}

/// Length of the JSON object at the start of `text`.
fn object_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Position;

    #[test]
    fn names_the_byte_of_the_first_damaged_record() {
        let mut file = vec![0_u8; 100];
        file.extend(record::encode(Position::Entry(1), &"a{\"").unwrap());
        let second = file.len();
        file.extend(record::encode(Position::Entry(2), &"b").unwrap());
        assert_eq!(damaged_record(&file), None);
        let last = file.len() - 3;
        file[last] ^= 1;
        let found = damaged_record(&file).unwrap();
        assert!(found.starts_with(&format!("byte {second},")), "{found}");
        assert!(found.contains("entry 2"), "{found}");
    }
}
