//! Replies of a real server (`captures/10.11.txt`), translated, against the same server's replies to clients of the
//! dialects themselves.

use std::collections::BTreeMap;

use super::super::capabilities::{Capabilities, Dialect, Track};
use super::super::checksum::Checksum;
use super::super::command::Command;
use super::super::ok::{OkPacket, Status};
use super::reference_test::{drive, unframe};
use super::{End, Outcome, Reply};

const CAPTURES: &str = include_str!("../captures/10.11.txt");

struct Capture {
    name: &'static str,
    command: Command,
    bytes: Vec<u8>,
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn captures() -> BTreeMap<&'static str, Vec<Capture>> {
    let mut dialects: BTreeMap<_, Vec<Capture>> = BTreeMap::new();
    for line in CAPTURES.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let command = Command::from_byte(u8::from_str_radix(fields[2], 16).unwrap());
        dialects.entry(fields[0]).or_default().push(Capture {
            name: fields[1],
            command,
            bytes: hex(fields[3]),
        });
    }
    dialects
}

fn dialect(name: &str) -> Dialect {
    let mut capabilities = Capabilities::PROTOCOL_41;
    if name.starts_with("eof") {
        capabilities = capabilities | Capabilities::DEPRECATE_EOF;
    }
    if name.contains("track") {
        capabilities = capabilities | Capabilities::SESSION_TRACK;
    }
    if name.ends_with("cache") {
        capabilities = capabilities | Capabilities::CACHE_METADATA;
    }
    Dialect::of(capabilities)
}

fn reply(capture: &Capture, dialect: Dialect, own_id: u32) -> Reply {
    match capture.command {
        Command::StmtPrepare => Reply::prepare(own_id, dialect, Status::AUTOCOMMIT),
        command => Reply::new(command.reply_shape(), dialect, Status::AUTOCOMMIT),
    }
}

/// The packets, without what a router cannot know or a server does not order: the flags in the EOF after definitions
/// (those of the query at hand), STATE_CHANGED in any EOF, and the order of tracked variables.
fn comparable(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets = unframe(bytes);
    let last = packets.len() - 1;
    for (index, (_, payload)) in packets.iter_mut().enumerate() {
        if payload.len() == 5 && payload[0] == 0xfe {
            payload[4] &= !0x40;
            if index < last {
                payload[3] &= !0x29;
            }
        } else if (payload[0] == 0 || payload[0] == 0xfe)
            && let Ok(ok) = OkPacket::parse(payload, true)
            && !ok.tracked.is_empty()
        {
            let mut entries: Vec<_> = ok.entries().map(|entry| format!("{:?}", entry.unwrap())).collect();
            entries.sort();
            *payload = format!("{} {:?} {entries:?}", ok.affected_rows, ok.status).into_bytes();
        }
    }
    packets
}

fn prepared_id(bytes: &[u8]) -> u32 {
    bytes
        .get(5..9)
        .map_or(0, |id| u32::from_le_bytes(id.try_into().unwrap()))
}

#[test]
fn translated_replies_are_those_a_server_sends_to_such_clients() {
    let captures = captures();
    for name in ["eof-track", "eof", "track", "old", "eof-track-cache", "old-cache"] {
        let source = if name.ends_with("cache") {
            "server-cache"
        } else {
            "server"
        };
        for (from, to) in captures[source].iter().zip(&captures[name]) {
            assert_eq!(from.name, to.name);
            if from.name == "fetch without cursor" {
                continue; // The text names the statement id, which the server counts on.
            }
            let own_id = prepared_id(&to.bytes);
            let (whole, ..) = drive(reply(from, dialect(name), own_id), &from.bytes, &[usize::MAX])
                .unwrap_or_else(|| panic!("{name}: {}: malformed", from.name));
            assert_eq!(comparable(&whole), comparable(&to.bytes), "{name}: {}", from.name);
            for size in 1..20 {
                let (cut, ..) = drive(reply(from, dialect(name), own_id), &from.bytes, &[size]).unwrap();
                assert_eq!(cut, whole, "{name}: {} by {size}", from.name);
            }
        }
    }
}

#[test]
fn a_client_of_today_gets_untouched_chunks() {
    let dialect = Dialect {
        track: Track::Everything,
        ..dialect("eof-track")
    };
    for capture in &captures()["server"] {
        if capture.name.starts_with("file") {
            continue;
        }
        let mut reply = reply(capture, dialect, prepared_id(&capture.bytes));
        let mut forward = super::super::forward::Forward::new();
        let mut chunk = capture.bytes.clone();
        reply.advance(&mut chunk, &mut forward).unwrap();
        assert_eq!(forward.only_range(), Some((0, chunk.len())), "{}", capture.name);
        assert_eq!(chunk, capture.bytes);
    }
}

fn outcome(name: &str) -> Outcome {
    let captures = captures();
    let capture = captures["server"].iter().find(|capture| capture.name == name).unwrap();
    drive(reply(capture, dialect("old"), 7), &capture.bytes, &[3])
        .unwrap()
        .1
}

#[test]
fn outcomes_say_what_happened() {
    let insert = outcome("insert");
    assert_eq!((insert.affected_rows, insert.last_insert_id, insert.results), (3, 1, 1));
    assert_eq!(insert.gtid.map(|gtid| (gtid.domain, gtid.server)), Some((0, 1)));
    assert_eq!(
        outcome("returning").gtid.unwrap().sequence,
        outcome("insert and select").gtid.unwrap().sequence + 1
    );

    let two = outcome("two selects");
    assert_eq!((two.results, two.rows, two.status), (2, 2, Some(Status::AUTOCOMMIT)));
    assert!(outcome("begin").status.unwrap().any(Status::IN_TRANS));
    assert_eq!(
        outcome("insert in a transaction").transaction.as_ref(),
        Some(b"T_R_WsS_")
    );
    assert_eq!(outcome("commit").transaction.as_ref(), Some(b"________"));

    let failed = outcome("error after rows");
    assert_eq!(
        failed.end,
        End::Err {
            code: 1242,
            sqlstate: *b"21000"
        }
    );
    assert_eq!((failed.rows, failed.status), (2, None));
    assert_eq!(outcome("error in the second").results, 1);

    assert!(outcome("temporary table").state_changed);
    assert_eq!(outcome("set names").changes.len(), 3);
    assert_eq!(outcome("use").changes, [super::Change::Schema(b"w"[..].into())]);
    let prepared = outcome("prepare").prepared.unwrap();
    assert_eq!((prepared.columns, prepared.params), (2, 2));
    assert!(
        outcome("execute with cursor")
            .status
            .unwrap()
            .any(Status::CURSOR_EXISTS)
    );
    assert!(outcome("fetch to the end").status.unwrap().any(Status::LAST_ROW_SENT));
}

#[test]
fn checksums_depend_on_neither_dialect_nor_cuts_nor_tracking() {
    let captures = captures();
    let mut digests = BTreeMap::new();
    for (name, size) in [("old", 5), ("eof-track", usize::MAX), ("eof", 2)] {
        for capture in &captures["server"] {
            let reply = reply(capture, dialect(name), 1).checked(Box::new(Checksum::new()));
            let digest = drive(reply, &capture.bytes, &[size]).unwrap().2.unwrap();
            assert_eq!(
                *digests.entry(capture.name).or_insert(digest),
                digest,
                "{name}: {}",
                capture.name
            );
        }
    }
    // Without tracking, as a server that was asked for nothing sends it, the sum is the same.
    for capture in captures["eof"]
        .iter()
        .filter(|capture| capture.command != Command::StmtPrepare)
    {
        if capture.bytes.len() < 60 || capture.name.starts_with("fetch without") || capture.name == "show warnings" {
            continue;
        }
        let reply = reply(capture, dialect("eof"), 1).checked(Box::new(Checksum::new()));
        assert_eq!(
            drive(reply, &capture.bytes, &[9]).unwrap().2.unwrap(),
            digests[capture.name],
            "{}",
            capture.name
        );
    }
    let different: std::collections::BTreeSet<_> = digests.values().collect();
    assert!(different.len() > digests.len() / 2);
}
