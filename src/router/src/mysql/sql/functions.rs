//! What a call says about where its statement may run.

use std::sync::LazyLock;

use super::word::{constant, key};

mod list;

/// What a word before a parenthesis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A built-in that only reads, or no call at all.
    Plain,
    /// Right only on the primary.
    Primary(&'static str),
    /// Right only on the primary, and running it twice may write twice.
    Writes(&'static str),
    /// Right only where the last statement ran.
    Last(&'static str),
    /// `GET_LOCK`.
    TakesLock,
    /// `RELEASE_LOCK`, `RELEASE_ALL_LOCKS`.
    ReleasesLock,
    /// `CONNECTION_ID`.
    ConnectionId,
}

/// The calls that matter, by name.
const SPECIAL: [(&str, Call); 18] = [
    ("BINLOG_GTID_POS", Call::Primary("reads the server's own binlog")),
    ("CONNECTION_ID", Call::ConnectionId),
    ("FOUND_ROWS", Call::Last("FOUND_ROWS()")),
    ("GET_LOCK", Call::TakesLock),
    ("IS_FREE_LOCK", Call::Primary("asks for a user lock")),
    ("IS_USED_LOCK", Call::Primary("asks for a user lock")),
    ("LASTVAL", Call::Primary("the last value of a sequence")),
    ("LAST_INSERT_ID", Call::Primary("LAST_INSERT_ID()")),
    ("LOAD_FILE", Call::Primary("reads a file of the server")),
    ("MASTER_POS_WAIT", Call::Primary("waits for a position")),
    ("NEXTVAL", Call::Writes("takes a value of a sequence")),
    ("RELEASE_ALL_LOCKS", Call::ReleasesLock),
    ("RELEASE_LOCK", Call::ReleasesLock),
    ("ROW_COUNT", Call::Last("ROW_COUNT()")),
    ("SETVAL", Call::Writes("sets a sequence")),
    ("WSREP_LAST_SEEN_GTID", Call::Primary("a position of the server")),
    ("WSREP_LAST_WRITTEN_GTID", Call::Primary("a position of the server")),
    ("WSREP_SYNC_WAIT_UPTO_GTID", Call::Primary("waits for a position")),
];

/// A place in the table: taken by a word, or free.
type Slot = Option<(&'static str, Call)>;

/// A hash table without buckets: a word's slot or one of the next.
static TABLE: LazyLock<Box<[Slot]>> = LazyLock::new(|| {
    let mut slots = vec![None; SLOTS].into_boxed_slice();
    let plain = [list::BUILT_IN, list::NO_CALL]
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
        .map(|word| (word, Call::Plain));
    for entry in SPECIAL.into_iter().chain(plain) {
        let taken = |slot: &usize| slots.get(*slot).is_some_and(Option::is_none);
        let free = probe(entry.0.as_bytes()).find(taken);
        if let Some(slot) = free.and_then(|slot| slots.get_mut(slot)) {
            *slot = Some(entry);
        }
    }
    slots
});

/// Twice and more the number of words, so that a miss ends soon.
const SLOTS: usize = 2048;

fn probe(word: &[u8]) -> impl Iterator<Item = usize> {
    let end = word.get(word.len().saturating_sub(8)..).unwrap_or_default();
    let hash = key(word) ^ key(end).rotate_left(29) ^ (word.len() as u64);
    let start = usize::try_from(hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 53).unwrap_or(0);
    (0..SLOTS).map(move |step| start.wrapping_add(step) % SLOTS)
}

/// What this word before a parenthesis is.
pub(super) fn lookup(word: &[u8]) -> Call {
    for slot in probe(word) {
        match TABLE.get(slot).copied().flatten() {
            Some((known, call)) if super::word::is(word, known) => return call,
            Some(_) => {}
            None => break,
        }
    }
    Call::Writes("calls a stored or unknown function")
}

/// System variables that are right only on one server, by [`key`] where eight letters suffice.
pub(super) fn system_variable(name: &[u8]) -> Call {
    const LAST_INS: u64 = constant("LAST_INS");
    const IDENTITY: u64 = constant("IDENTITY");
    const INSERT_I: u64 = constant("INSERT_I");
    const LAST_GTI: u64 = constant("LAST_GTI");
    const WARNING_: u64 = constant("WARNING_");
    const ERROR_CO: u64 = constant("ERROR_CO");
    const READ_ONL: u64 = constant("READ_ONL");
    const IN_TRANS: u64 = constant("IN_TRANS");
    let name = name.rsplit(|byte| *byte == b'.').next().unwrap_or(name);
    let name = name
        .strip_prefix(b"`")
        .and_then(|name| name.strip_suffix(b"`"))
        .unwrap_or(name);
    match key(name) {
        LAST_INS | IDENTITY | INSERT_I => Call::Primary("@@last_insert_id"),
        LAST_GTI => Call::Primary("@@last_gtid"),
        WARNING_ | ERROR_CO => Call::Last("@@warning_count, @@error_count"),
        READ_ONL => Call::Primary("asks whether the server is read-only"),
        IN_TRANS => Call::Primary("asks for the transaction"),
        _ if super::word::is_any(name, &["INNODB_READ_ONLY", "TX_READ_ONLY", "TRANSACTION_READ_ONLY"]) => {
            Call::Primary("asks whether the server is read-only")
        }
        _ if name.get(..5).is_some_and(|start| super::word::is(start, "GTID_")) => {
            Call::Primary("a position of the server")
        }
        _ => Call::Plain,
    }
}

#[cfg(test)]
#[path = "functions_test.rs"]
mod tests;
