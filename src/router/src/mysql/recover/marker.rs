//! The comment by which a statement is found in a binlog, and which statements carry it.

use std::fmt;

use super::shape::Shape;
use super::words::{Word, Words};

/// Bytes that a marker adds to a statement.
pub(crate) const MARKER_BYTES: usize = 22;

/// Longest statement that gets a marker: with it, it still fits into one packet.
pub(crate) const MARKED_BYTES_MAX: usize = 0xff_ffff - 1 - MARKER_BYTES;

/// Names one incarnation of one session: drawn at random when the session begins, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Marker(u64);

/// The table that a statement names, as far as it must be known to tell its rows from others'. Different tables may
/// pass for the same one, but not the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target(Option<u32>);

impl Target {
    /// Of several tables, of a view, or of none that is known: may be any.
    pub(crate) const ANY: Self = Self(None);

    /// A table's name without its schema.
    pub(crate) fn named(name: &[u8]) -> Self {
        Self(Some(crc32fast::hash(&name.to_ascii_lowercase())))
    }

    /// The table that a statement changes.
    pub(crate) fn of(sql: &[u8]) -> Self {
        Shape::of_table(sql).map_or(Self::ANY, |shape| Self::named(shape.table))
    }

    /// Whether the two may be the same table.
    pub(crate) fn may_be(self, other: Self) -> bool {
        self.0.is_none() || other.0.is_none() || self == other
    }
}

/// How a statement shows in the binlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Rows, with the text and its marker as annotation.
    Rows,
    /// The text itself, marker included.
    Text,
    /// The marker would not be found: the statement is rewritten by the server, or its text never gets there.
    None,
}

impl Marker {
    /// From a random number.
    pub(crate) const fn new(id: u64) -> Self {
        Self(id)
    }

    /// What is put in front of the statement.
    pub(crate) fn prefix(self) -> [u8; MARKER_BYTES] {
        let mut bytes = *b"/*q:0000000000000000*/";
        let digits = bytes.iter_mut().skip(4).take(16);
        for (digit, shift) in digits.zip((0..16_u32).rev()) {
            let nibble = self.0.wrapping_shr(shift.saturating_mul(4)) & 0xf;
            *digit = HEX.get(nibble as usize).copied().unwrap_or(b'0');
        }
        bytes
    }

    /// The marker that a logged text begins with.
    pub(crate) fn leading(text: &[u8]) -> Option<Self> {
        let digits = text.get(..MARKER_BYTES)?.strip_prefix(b"/*q:")?.strip_suffix(b"*/")?;
        let is_ours = digits.iter().all(|digit| HEX.contains(digit));
        let digits = is_ours.then(|| std::str::from_utf8(digits).ok()).flatten()?;
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Marker({self})")
    }
}

/// How one statement shows in the binlog; for a text that holds several it says nothing. Measured statement by
/// statement, see decision 0011; whatever was not measured is [`Mark::None`].
pub(crate) fn mark_of(sql: &[u8]) -> Mark {
    let mut words = Words::of(sql);
    let (Some(verb), Some(object)) = (words.next(), words.next()) else {
        return Mark::None;
    };
    let is_one_of = |word: Word<'_>, list: &[&str]| list.iter().any(|keyword| word.is(keyword));
    if is_one_of(verb, &["INSERT", "REPLACE", "UPDATE", "DELETE"]) {
        // Delayed rows are written by another thread, under a text of its own.
        return if object.is("DELAYED") { Mark::None } else { Mark::Rows };
    }
    if verb.is("LOAD") && is_one_of(object, &["DATA", "XML"]) {
        return Mark::Rows;
    }
    let kept = is_one_of(verb, &["GRANT", "REVOKE", "TRUNCATE"])
        || verb.is("ALTER") && object.is("TABLE")
        || verb.is("RENAME") && object.is("TABLE")
        || verb.is("DROP") && is_one_of(object, &["DATABASE", "SCHEMA", "VIEW", "USER"])
        || verb.is("CREATE") && is_one_of(object, &["DATABASE", "SCHEMA", "USER", "INDEX", "SEQUENCE"])
        // A table from a query is logged as rows, a table like another one in the server's words.
        || verb.is("CREATE") && object.is("TABLE") && !words.any(|word| is_one_of(word, &REWRITTEN));
    if kept { Mark::Text } else { Mark::None }
}

/// Words in a `CREATE TABLE` that may make the server log something else than its text.
const REWRITTEN: [&str; 4] = ["SELECT", "LIKE", "VALUES", "WITH"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_where_it_was_put() {
        let marker = Marker::new(0x0123_4567_89ab_cdef);
        let text = [&marker.prefix()[..], b"UPDATE t SET v = 1"].concat();
        assert_eq!(text.get(..MARKER_BYTES), Some(&b"/*q:0123456789abcdef*/"[..]));
        assert_eq!(Marker::leading(&text), Some(marker));
        for other in [
            &b"/*q:0123456789abcde*/ UPDATE"[..],
            b"/*q:0123456789ABCDEF*/",
            b"/*q:+123456789abcdef*/",
            b" /*q:0123456789abcdef*/",
            b"",
        ] {
            assert_eq!(Marker::leading(other), None, "{other:?}");
        }
    }

    #[test]
    fn only_what_was_measured_is_marked() {
        for (sql, mark) in [
            ("insert into t values (1)", Mark::Rows),
            ("/* hint */ UPDATE t SET v = 1", Mark::Rows),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", Mark::Rows),
            ("INSERT DELAYED INTO t VALUES (1)", Mark::None),
            ("CREATE TABLE t (id INT)", Mark::Text),
            ("CREATE TABLE t LIKE u", Mark::None),
            ("CREATE TABLE t AS SELECT 1", Mark::None),
            ("CREATE TEMPORARY TABLE t (id INT)", Mark::None),
            ("ALTER TABLE t ADD v INT", Mark::Text),
            ("DROP TABLE t", Mark::None),
            ("CREATE VIEW v AS SELECT 1", Mark::None),
            ("CALL p()", Mark::None),
            ("EXECUTE s", Mark::None),
            ("BEGIN NOT ATOMIC UPDATE t SET v = 1; END", Mark::None),
            ("SELECT NEXTVAL(s)", Mark::None),
            ("/*!50000 INSERT */ INTO t VALUES (1)", Mark::None),
            ("SET PASSWORD = PASSWORD('x')", Mark::None),
            ("", Mark::None),
        ] {
            assert_eq!(mark_of(sql.as_bytes()), mark, "{sql}");
        }
    }
}
