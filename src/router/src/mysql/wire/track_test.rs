//! Session tracking as MariaDB 10.11 writes it.

use super::packet::put_string;
use super::track::{Entries, Entry, Gtid};

const TRACKED: &[u8] =
    b"\x00\x10\x09last_gtid\x050-1-8\x00\x1c\x14character_set_client\x06latin1\x01\x02\x01w\x02\x011\
    \x05\x09\x08T_R_WsS_\x04\x03\x02GO\x07\x01z";

#[test]
fn all_kinds_are_read() {
    let entries: Vec<_> = Entries::new(TRACKED).map(Result::unwrap).collect();
    assert_eq!(
        entries,
        [
            Entry::LastGtid(Gtid {
                domain: 0,
                server: 1,
                sequence: 8
            }),
            Entry::Variable {
                name: b"character_set_client",
                value: b"latin1"
            },
            Entry::Schema(b"w"),
            Entry::StateChange(true),
            Entry::Transaction(*b"T_R_WsS_"),
            Entry::Characteristics(b"GO"),
            Entry::Other { kind: 7, data: b"z" },
        ]
    );
    let mut kept = Vec::new();
    entries.iter().for_each(|entry| entry.put_default(&mut kept));
    assert_eq!(kept, b"\x00\x1c\x14character_set_client\x06latin1\x01\x02\x01w");
    assert_eq!(entries.iter().map(Entry::default_bytes).sum::<u64>(), kept.len() as u64);
}

#[test]
fn one_entry_may_hold_several_variables() {
    let pairs = b"\x0aautocommit\x02ON\x09time_zone\x03UTC";
    let mut tracked = vec![0];
    put_string(&mut tracked, pairs);
    let names: Vec<_> = Entries::new(&tracked)
        .map(|entry| format!("{:?}", entry.unwrap().is_default()))
        .collect();
    assert_eq!(names, ["true", "true"]);
}

#[test]
fn a_broken_entry_ends_the_list() {
    for cut in 1..TRACKED.len() {
        let entries: Vec<_> = Entries::new(&TRACKED[..cut]).collect();
        assert!(entries.iter().rev().skip(1).all(Result::is_ok));
    }
    assert!(Entries::new(b"\x00\x03\x05ab").next().unwrap().is_err());
}

#[test]
fn gtids_are_read_without_mercy() {
    assert_eq!(
        Gtid::parse(b"3-17-1000000000001"),
        Some(Gtid {
            domain: 3,
            server: 17,
            sequence: 1_000_000_000_001
        })
    );
    assert_eq!(Gtid::parse(b"0-1-18446744073709551615").unwrap().sequence, u64::MAX);
    for text in [
        "",
        "1",
        "0-1",
        "0-1-",
        "0-1-2-3",
        "0-1-18446744073709551616",
        "4294967296-1-1",
        "0-1-x",
        "0-1-2,0-2-3",
    ] {
        assert_eq!(Gtid::parse(text.as_bytes()), None, "{text}");
    }
}
