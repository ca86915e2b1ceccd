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
//!
//! Whether a statement uses an index is the optimizer's choice, by estimates that each server makes for itself in the background:
//! of the same seven rows one server thinks that there are five, and reads the key's range, another one the whole table.
//!
//! That the columns of a statement have changed since it was prepared is said by the connection that it was prepared on. If it has
//! been prepared on another one since, there they have not.

use crate::wire::values;

/// Flags of a status: how a table is read.
const PLAN: u16 = 0x10 | 0x20;
/// A flag of a status: the columns are other ones than when the statement was prepared.
pub(super) const METADATA_CHANGED: u16 = 0x400;

/// Takes what is said of the plan off a reply.
pub(super) fn forget_plan(packets: &mut [Vec<u8>]) {
    forget_in_ends(packets, PLAN);
}

/// Takes these flags off the packets that end a result.
pub(super) fn forget_in_ends(packets: &mut [Vec<u8>], flags: u16) {
    let last = packets.len().saturating_sub(1);
    for (nth, packet) in packets.iter_mut().enumerate() {
        if let Some(at) = status_at(packet, nth == last)
            && let Some([low, high]) = packet.get_mut(at..at + 2)
        {
            [*low, *high] = (u16::from_le_bytes([*low, *high]) & !flags).to_le_bytes();
        }
    }
}

/// Where a packet has a status, if it ends a result. One that begins as an OK may also be a row, unless it is the last.
fn status_at(packet: &[u8], last: bool) -> Option<usize> {
    match packet {
        [0xfe, _, _, _, _] => Some(3),
        [0xfe, ..] | [0x00, ..] if last || packet[0] == 0xfe => {
            let behind_affected = 1 + length_bytes(*packet.get(1)?);
            Some(behind_affected + length_bytes(*packet.get(behind_affected)?))
        }
        _ => None,
    }
}

/// Bytes of a number that begins so.
const fn length_bytes(first: u8) -> usize {
    match first {
        0xfc => 3,
        0xfd => 4,
        0xfe => 9,
        _ => 1,
    }
}

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
    fn flags_are_taken_off_ends_alone() {
        let row = b"\x00\x00\x22\x00\x00\x00\x00".to_vec();
        let eof = |flags| vec![0xfe, 1, 0, flags, 4];
        let ok = |flags| vec![0, 0xfc, 44, 1, 0, flags, 0, 0, 0];
        let mut packets = [row.clone(), eof(0x22), ok(0x32)];
        forget_plan(&mut packets);
        assert_eq!(packets, [row, eof(2), ok(2)]);
        forget_in_ends(&mut packets, METADATA_CHANGED);
        assert_eq!(packets[1], [0xfe, 1, 0, 2, 0]);
    }

    #[test]
    fn the_number_of_a_tables_row_does() {
        let [one, two] = ["1", "2"].map(|number| row(&format!("{COLUMN}{number}")));
        assert_ne!(without_stale_row(one), without_stale_row(two));
        let [one, two] = ["1", "2"].map(|number| row(&format!("{ARGUMENT}0 {number}")));
        assert_ne!(without_stale_row(one), without_stale_row(two));
    }
}
