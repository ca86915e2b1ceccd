//! What two connections of one server may say differently.
//!
//! Errors of a routine's argument end with `at row N`, where no row is meant: the server has not begun a statement
//! of the routine, and N is the counter that the connection's statement before has left. Directly, too, it is 14 after thirteen
//! rows and 0 when the same `CALL` is repeated. With a session's statements on two connections, another one was the one before.
//!
//! `SHOW CREATE TABLE` says which id the next row will have. On the primary, ids of rows that were rolled back are used up; on a
//! replica, who never heard of them, they are not.
//!
//! A user variable that nobody has set is said to be one byte shorter once a statement that goes into the binlog has looked at
//! it: the server has then noted that it is NULL. The same statement's connection says so, and a replica does not.

use crate::wire::values;

/// A column of no table: an argument or variable of a routine.
const NO_TABLE: &[u8] = b" for column ``.``.`";
const ROW: &[u8] = b"` at row ";

/// A packet without these.
pub(super) fn masked(packet: Vec<u8>) -> Vec<u8> {
    without_length_of_nothing(without_next_id(without_stale_row(packet)))
}

/// A row of `SHOW CREATE TABLE` without the id that the next row will have.
fn without_next_id(packet: Vec<u8>) -> Vec<u8> {
    const NEXT_ID: &[u8] = b" AUTO_INCREMENT=";
    let at = find(&packet, b"CREATE TABLE ").and_then(|_| find(&packet, NEXT_ID));
    let (Some(_), Some(values)) = (at, values(&packet)) else {
        return packet;
    };
    let cut = |text: &[u8]| match find(text, NEXT_ID) {
        Some(at) => {
            let digits = text[at + NEXT_ID.len()..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            [&text[..at], &text[at + NEXT_ID.len() + digits.count()..]].concat()
        }
        None => text.to_vec(),
    };
    values
        .into_iter()
        .flat_map(|value| [cut(value), b"|".to_vec()].concat())
        .collect()
}

/// The definition of a column that is, or is made of, a user variable, without a length and type that mean NULL.
fn without_length_of_nothing(mut packet: Vec<u8>) -> Vec<u8> {
    /// Catalogue, and neither schema nor table.
    const START: &[u8] = b"\x03def\0\0\0";
    /// Behind the name: no original name, the length of what follows, a character set.
    const BETWEEN: usize = 1 + 1 + 2;
    const SAID: [&[u8; 5]; 3] = [b"\xff\xff\xff\0\xfb", b"\xff\xff\xff\0\xfa", b"\0\0\0\x01\xfb"];
    let name = packet.strip_prefix(START).and_then(<[u8]>::split_first);
    if let Some((length, name)) = name
        && name.iter().take(usize::from(*length)).any(|byte| *byte == b'@')
    {
        let at = START.len() + 1 + usize::from(*length) + BETWEEN;
        if let Some(said) = packet.get_mut(at..at + 5)
            && SAID.iter().any(|nothing| *said == nothing[..])
        {
            said.fill(0);
        }
    }
    packet
}

/// A packet without the counter, if it tells of such an error: an error itself, or a row of `SHOW WARNINGS`.
fn without_stale_row(packet: Vec<u8>) -> Vec<u8> {
    if find(&packet, NO_TABLE).is_none() {
        return packet;
    }
    if packet.first() == Some(&0xff) {
        return cut(&packet).to_vec();
    }
    // The text's length stands before it, and is one more with two digits.
    let Some(values) = values(&packet) else {
        return packet;
    };
    values
        .into_iter()
        .flat_map(|value| [cut(value), b"|"].concat())
        .collect()
}

/// Without the digits at the end.
fn cut(text: &[u8]) -> &[u8] {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let front = &text[..text.len() - digits];
    let meant = digits > 0 && front.ends_with(ROW) && find(front, NO_TABLE).is_some();
    if meant { front } else { text }
}

fn find(bytes: &[u8], piece: &[u8]) -> Option<usize> {
    bytes.windows(piece.len()).position(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGUMENT: &str = "Incorrect integer value: '' for column ``.``.`x` at row ";
    const COLUMN: &str = "Incorrect integer value: '' for column `a`.`t0`.`n` at row ";

    fn row(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        [&b"\x05Error\x041366"[..], &[length], text.as_bytes()].concat()
    }

    #[test]
    fn the_counter_of_an_argument_does_not_count() {
        for make in [row, |text: &str| format!("\u{1}{text}").into_bytes()] {
            let [mut one, mut two] = ["0", "13"].map(|number| make(&format!("{ARGUMENT}{number}")));
            if one[0] == 1 {
                (one[0], two[0]) = (0xff, 0xff);
            }
            assert_eq!(without_stale_row(one), without_stale_row(two));
        }
    }

    #[test]
    fn the_length_of_an_unset_variable_does_not_count_and_others_do() {
        let definition = |name: &str, length: [u8; 4]| {
            let head = [b"\x03def\0\0\0\x02", name.as_bytes(), b"\0\x0c?\0"].concat();
            [&head, &length[..], b"\xfb\x80\0\x27\0\0"].concat()
        };
        let [noted, unset, set] = [[255, 255, 255, 0], [0, 0, 0, 1], [4, 0, 0, 0]];
        assert_eq!(masked(definition("@b", noted)), masked(definition("@b", unset)));
        assert_ne!(masked(definition("@b", noted)), masked(definition("@b", set)));
        assert_ne!(masked(definition("bb", noted)), masked(definition("bb", unset)));
    }

    #[test]
    fn the_number_of_a_tables_row_does() {
        let [one, two] = ["1", "2"].map(|number| row(&format!("{COLUMN}{number}")));
        assert_ne!(without_stale_row(one), without_stale_row(two));
        let [one, two] = ["1", "2"].map(|number| row(&format!("{ARGUMENT}0 {number}")));
        assert_ne!(without_stale_row(one), without_stale_row(two));
    }
}
