//! Replies by hand: what no capture holds.

use super::super::capabilities::{Dialect, Track};
use super::super::checksum::Checksum;
use super::super::command::{ReplyShape, Upstream};
use super::super::forward::Forward;
use super::super::ok::Status;
use super::super::packet::Malformed;
use super::reference_test::{Part, TestOk, client_bytes, drive, frame, lenenc, server_bytes};
use super::{End, HELD_MAX, Progress, Reply};

const FULL: usize = 0xff_ffff;
pub(super) const NEW: Dialect = Dialect {
    deprecate_eof: true,
    cache_metadata: false,
    extended_metadata: false,
    track: Track::Default,
};
pub(super) const OLD: Dialect = Dialect {
    deprecate_eof: false,
    track: Track::Nothing,
    ..NEW
};

fn packets(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let (mut out, mut sequence) = (Vec::new(), first);
    payloads
        .iter()
        .for_each(|payload| frame(&mut out, &mut sequence, payload));
    out
}

fn malformed(shape: ReplyShape, bytes: &[u8]) -> Malformed {
    let mut chunk = bytes.to_vec();
    Reply::new(shape, NEW, Status::default())
        .advance(&mut chunk, &mut Forward::new())
        .unwrap_err()
}

const COLUMN: &[u8] = b"\x03def\0\0\0\x01a\0\x0c!\0\x03\0\0\0\xfd\0\0\0\0\0";
const END: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];

#[test]
fn a_swallowed_reply_forwards_nothing_and_shows_its_first_value() {
    for (row, number) in [
        (&b"\x010"[..], Some(0)),
        (b"\x02-1", Some(-1)),
        (b"\xfb", None),
        (b"\x03yes", None),
    ] {
        let bytes = packets(1, &[b"\x01", COLUMN, row, b"\x019", END]);
        for size in [1, 3, usize::MAX] {
            let reply = Reply::swallowed(ReplyShape::ResultSets, false);
            let (client, outcome, _) = drive(reply, &bytes, &[size]).unwrap();
            assert!(client.is_empty());
            let first = outcome.first.unwrap();
            assert_eq!((first.number(), first.value().is_none()), (number, row == b"\xfb"));
            assert_eq!(outcome.rows, 2);
        }
    }
    let empty = drive(
        Reply::swallowed(ReplyShape::ResultSets, false),
        &packets(1, &[b"\x01", COLUMN, END]),
        &[2],
    );
    assert_eq!(empty.unwrap().1.first, None);
    let error = packets(1, &[b"\xff\x1e\x04#42S22Unknown column"]);
    let (_, outcome, _) = drive(Reply::swallowed(ReplyShape::Simple, false), &error, &[4]).unwrap();
    assert_eq!(outcome.message.as_deref(), Some("Unknown column"));
    assert_eq!(
        outcome.end,
        End::Err {
            code: 1054,
            sqlstate: *b"42S22"
        }
    );
}

#[test]
fn packets_of_16_mib_flow_through() {
    for length in [FULL - 1, FULL, FULL + 20, 2 * FULL] {
        let mut row = vec![0];
        if length > FULL + 9 {
            row = lenenc(length - 9);
        }
        // What looks like an end inside a row is none.
        row.resize(length, 0xfe);
        let parts = [
            Part::Plain(vec![1]),
            Part::LastDefinition(COLUMN.to_vec()),
            Part::Plain(row),
            Part::Plain(b"\x01z".to_vec()),
            Part::Ok(
                true,
                TestOk {
                    status: 2,
                    ..TestOk::default()
                },
            ),
        ];
        let server = server_bytes(&parts, 1);
        for dialect in [NEW, OLD] {
            let expected = client_bytes(&parts, dialect, 1, 2, 0);
            for size in [(1 << 20) - 3, usize::MAX / 2] {
                let reply = Reply::new(ReplyShape::ResultSets, dialect, Status(2)).checked(Box::new(Checksum::new()));
                let (client, outcome, _) = drive(reply, &server, &[size]).unwrap();
                assert!(client == expected, "{length} by {size}");
                assert_eq!((outcome.rows, outcome.bytes), (2, server.len() as u64));
            }
        }
    }
}

#[test]
fn only_small_packets_are_held_back() {
    let mut reply = Reply::new(ReplyShape::ResultSets, NEW, Status::default());
    let mut forward = Forward::new();
    let mut start = packets(1, &[b"\x01", COLUMN, &[b'r'; 5000]]);
    start.truncate(start.len() - 4000);
    assert_eq!(reply.advance(&mut start, &mut forward).unwrap().consumed, start.len());
    assert!(!reply.is_between_packets());
    forward.clear();
    let mut rest = [&[b'r'; 4000][..], &packets(4, &[END])[..9]].concat();
    assert_eq!(reply.advance(&mut rest, &mut forward).unwrap().consumed, 4000);
    assert!(reply.is_between_packets());
    assert_eq!(reply.next_sequence(), 4);
    let long = packets(1, &[&[&[0xff][..], &vec![b'x'; HELD_MAX]].concat()]);
    malformed(ReplyShape::ResultSets, &long[..100]);
}

#[test]
fn a_file_is_asked_for_and_counted_past() {
    let parts = [
        Part::Plain(vec![1]),
        Part::LastDefinition(COLUMN.to_vec()),
        Part::Ok(
            true,
            TestOk {
                status: 10,
                ..TestOk::default()
            },
        ),
        Part::Infile(b"\xfbfile".to_vec(), 3),
        Part::Ok(
            false,
            TestOk {
                status: 2,
                affected: 300,
                info: b"Records: 300".to_vec(),
                ..TestOk::default()
            },
        ),
    ];
    let server = server_bytes(&parts, 1);
    for size in [1, 7, usize::MAX] {
        let reply = Reply::new(ReplyShape::ResultSets, OLD, Status(10));
        let (client, outcome, _) = drive(reply, &server, &[size]).unwrap();
        assert_eq!(client, client_bytes(&parts, OLD, 1, 10, 0));
        assert_eq!(outcome.affected_rows, 300);
    }
    let mut reply = Reply::new(ReplyShape::ResultSets, OLD, Status(10));
    let mut chunk = server;
    let advance = reply.advance(&mut chunk, &mut Forward::new()).unwrap();
    assert_eq!(advance.progress, Progress::SendFile);
    // The client counts one EOF more than the server, so its packets are counted back.
    assert_eq!(reply.next_sequence(), 6);
    let mut upload = packets(6, &[b"rows", b""]);
    assert!(Upstream::file(reply.upload_shift()).advance(&mut upload).end);
    assert_eq!((upload[3], upload[11]), (5, 6));
    let waiting = reply
        .advance(&mut chunk[advance.consumed..], &mut Forward::new())
        .unwrap();
    assert_eq!((waiting.consumed, waiting.progress), (0, Progress::SendFile));
}

#[test]
fn shapes_without_status_end_too() {
    let none = Reply::new(ReplyShape::None, OLD, Status::default());
    assert!(none.is_done());
    let text = packets(1, &[b"Uptime: 4"]);
    assert_eq!(
        drive(Reply::new(ReplyShape::Text, OLD, Status::default()), &text, &[1])
            .unwrap()
            .0,
        text
    );
    let error = packets(1, &[b"\xff\x1e\x04#42S22no"]);
    let (_, outcome, _) = drive(Reply::new(ReplyShape::Text, OLD, Status::default()), &error, &[1]).unwrap();
    assert!(matches!(outcome.end, End::Err { code: 1054, .. }));
    let mut stream = Reply::new(ReplyShape::Stream, OLD, Status::default());
    let mut events = packets(1, &[END, END]);
    let advance = stream.advance(&mut events, &mut Forward::new()).unwrap();
    assert_eq!((advance.consumed, advance.progress), (events.len(), Progress::More));
}

#[test]
fn an_error_may_come_anywhere() {
    let error = b"\xff\x14\x05#70100Query execution was interrupted";
    let packets_before: [&[&[u8]]; 5] = [
        &[],
        &[b"\x02"],
        &[b"\x02", COLUMN],
        &[b"\x02", COLUMN, COLUMN],
        &[b"\x01", COLUMN, b"\x01x"],
    ];
    for before in packets_before {
        let mut payloads = before.to_vec();
        payloads.push(error);
        let server = packets(1, &payloads);
        for dialect in [NEW, OLD] {
            let reply = Reply::new(ReplyShape::ResultSets, dialect, Status::default());
            let (client, outcome, _) = drive(reply, &server, &[6]).unwrap();
            assert_eq!(
                outcome.end,
                End::Err {
                    code: 1300,
                    sqlstate: *b"70100"
                }
            );
            assert!(client.ends_with(error));
        }
    }
}

#[test]
fn what_is_not_the_protocol_is_told() {
    for (shape, bytes) in [
        (ReplyShape::ResultSets, packets(1, &[b""])),
        (ReplyShape::ResultSets, packets(1, &[b"\xfc\0\0"])),
        (
            ReplyShape::ResultSets,
            packets(1, &[b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"]),
        ),
        (ReplyShape::ResultSets, packets(1, &[b"\x01\x02"])),
        (ReplyShape::ResultSets, packets(1, &[b"\x01", COLUMN, b""])),
        (ReplyShape::ResultSets, packets(1, &[b"\x01", COLUMN, b"\xfe\0"])),
        (
            ReplyShape::ResultSets,
            [packets(1, &[b"\x01"]), packets(3, &[COLUMN])].concat(),
        ),
        (ReplyShape::Simple, packets(1, &[b"\x01"])),
        (ReplyShape::Simple, packets(1, &[b"\x00\0\0\x02"])),
        (ReplyShape::Simple, packets(1, &[b"\x00\0\0\x02\0\0\0\x05ab"])),
        (
            ReplyShape::Simple,
            packets(1, &[b"\x00\0\0\x02\x40\0\0\0\x05\x01\x02\x01wx"]),
        ),
        (
            ReplyShape::Simple,
            packets(1, &[b"\x00\0\0\x02\x40\0\0\0\x03\x01\x05a"]),
        ),
        (ReplyShape::Simple, packets(1, &[b"\xff"])),
        (ReplyShape::Prepare, packets(1, &[b"\x01"])),
        (ReplyShape::Prepare, packets(1, &[b"\0\x01\0\0\0"])),
    ] {
        malformed(shape, &bytes);
    }
}

#[test]
fn columns_that_a_server_leaves_out_are_told_to_who_lacks_them() {
    const ROW: &[u8] = b"\0\0\x017";
    let definitions = packets(0, &[COLUMN]);
    let told = packets(1, &[b"\x01\x01", COLUMN, ROW, END]);
    let eofs: [&[u8]; 2] = [&[0xfe, 0, 0, 0, 0], &[0xfe, 0, 0, 2, 0]];
    let told_old = packets(1, &[b"\x01\x01", COLUMN, eofs[0], ROW, eofs[1]]);
    let left_out = packets(1, &[b"\x01\x00", ROW, END]);
    for (server, owed) in [(&left_out, &definitions), (&told, &definitions), (&told, &Vec::new())] {
        for (dialect, expected) in [(NEW, &told), (OLD, &told_old)] {
            for size in [1, 3, usize::MAX] {
                let dialect = Dialect {
                    cache_metadata: true,
                    ..dialect
                };
                let reply = Reply::new(ReplyShape::ResultSets, dialect, Status::default());
                let reply = reply.gathering(true).owing(owed.clone().into());
                let (client, outcome, _) = drive(reply, server, &[size]).unwrap();
                assert_eq!(&client, expected);
                assert_eq!(outcome.definitions, definitions);
            }
        }
    }
}
