//! Generated replies of all shapes in all dialects: cut anywhere they come out as fed whole, and as the reference says.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::capabilities::{Dialect, Track};
use super::super::checksum::Checksum;
use super::super::command::ReplyShape;
use super::super::ok::Status;
use super::reference_test::{Part, TestOk, client_bytes, drive, lenenc, server_bytes, string};
use super::{Outcome, Reply};

const SERVER_ID: u32 = 0x0102_0304;
const OWN_ID: u32 = 77;

fn dialects() -> impl Strategy<Value = Dialect> {
    let track = prop_oneof![Just(Track::Nothing), Just(Track::Default), Just(Track::Everything)];
    (any::<bool>(), any::<bool>(), track).prop_map(|(deprecate_eof, cache_metadata, track)| Dialect {
        deprecate_eof,
        cache_metadata,
        extended_metadata: false,
        track,
    })
}

fn entry(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[kind][..], &string(data)].concat()
}

fn variable(name: &str, value: &str) -> Vec<u8> {
    entry(0, &[string(name.as_bytes()), string(value.as_bytes())].concat())
}

fn tracked() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let one = prop_oneof![
        (0..5_000_000_u64).prop_map(|sequence| (false, variable("last_gtid", &format!("0-1-{sequence}")))),
        "[a-z]{0,300}".prop_map(|value| (false, variable("sql_mode", &value))),
        "[a-z0-9]{0,20}".prop_map(|value| (true, variable("character_set_client", &value))),
        Just((true, variable("autocommit", "OFF"))),
        "[a-z]{1,70}".prop_map(|name| (true, entry(1, &string(name.as_bytes())))),
        Just((false, entry(2, b"1"))),
        Just((false, entry(5, b"\x08T_R_____"))),
        Just((false, entry(4, &string(b"START TRANSACTION;")))),
        vec(any::<u8>(), 0..9).prop_map(|data| (false, entry(9, &data))),
    ];
    prop_oneof![2 => Just(Vec::new()), 1 => vec(one, 1..5)]
}

fn oks() -> impl Strategy<Value = TestOk> {
    let number = prop_oneof![4 => 0..3_u64, 1 => 0..70_000_u64, 1 => any::<u32>().prop_map(u64::from)];
    let status = prop_oneof![Just(2_u16), Just(3), Just(0x22), Just(0x2003)];
    (number.clone(), number, status, 0..3_u16, "[ -~]{0,40}", tracked()).prop_map(
        |(affected, insert_id, status, warnings, info, tracked)| TestOk {
            affected,
            insert_id,
            status,
            warnings,
            info: info.into_bytes(),
            tracked,
        },
    )
}

/// Definitions; `last` wraps the last one.
fn definitions(count: usize, last: fn(Vec<u8>) -> Part) -> impl Strategy<Value = Vec<Part>> {
    vec("[a-z]{0,30}", count).prop_map(move |names| {
        let parts = names.iter().enumerate().map(|(index, name)| {
            let payload = [
                b"\x03def\0\0\0",
                &string(name.as_bytes())[..],
                b"\0\x0c!\0\x03\0\0\0\xfd\0\0\0\0\0",
            ]
            .concat();
            if index + 1 == count {
                last(payload)
            } else {
                Part::Plain(payload)
            }
        });
        parts.collect()
    })
}

fn rows() -> impl Strategy<Value = Vec<Part>> {
    let text = vec(proptest::option::of(vec(any::<u8>(), 0..40)), 1..4).prop_map(|values| {
        values
            .iter()
            .flat_map(|value| value.as_ref().map_or_else(|| vec![0xfb], |value| string(value)))
            .collect::<Vec<_>>()
    });
    let binary = vec(any::<u8>(), 1..60).prop_map(|values| [&[0][..], &values].concat());
    let long = (250..700_usize).prop_map(|length| string(&vec![0xfe; length]));
    vec(
        prop_oneof![4 => text, 2 => binary, 1 => long].prop_map(Part::Plain),
        0..12,
    )
}

fn error() -> impl Strategy<Value = Part> {
    (1000..4000_u16, "[ -~]{0,80}")
        .prop_map(|(code, text)| Part::Plain([&[0xff][..], &code.to_le_bytes(), b"#HY000", text.as_bytes()].concat()))
}

fn with_status(mut ok: TestOk, bits: u16) -> TestOk {
    ok.status |= bits;
    ok
}

/// One result without knowing whether it is the last: (parts, whether it ended with an error).
fn result(cache: bool) -> impl Strategy<Value = (Vec<Part>, bool)> {
    let head = move |count: usize, follow: bool| {
        let mut head = lenenc(count);
        if cache {
            head.push(u8::from(follow));
        }
        head
    };
    let set = (1..6_usize, any::<bool>()).prop_flat_map(move |(count, follow)| {
        let follow = follow || !cache;
        let end = prop_oneof![
            5 => oks().prop_map(|ok| (Part::Ok(true, ok), false)),
            1 => error().prop_map(|error| (error, true)),
        ];
        let cursor = prop_oneof![4 => Just(false), 1 => Just(true)];
        (definitions(count, Part::LastDefinition), rows(), end, cursor).prop_map(
            move |(definitions, rows, (end, failed), cursor)| {
                let mut parts = if follow {
                    [vec![Part::Plain(head(count, true))], definitions].concat()
                } else {
                    vec![Part::LastDefinition(head(count, false))]
                };
                match end {
                    Part::Ok(eof, ok) if cursor => parts.push(Part::Ok(eof, with_status(ok, 0x40))),
                    end => {
                        parts.extend(rows);
                        parts.push(end);
                    }
                }
                (parts, failed)
            },
        )
    });
    let file = ("[a-z]{0,30}", 1..4_u8, oks()).prop_map(|(name, packets, ok)| {
        (
            vec![
                Part::Infile([b"\xfb", name.as_bytes()].concat(), packets),
                Part::Ok(false, ok),
            ],
            false,
        )
    });
    prop_oneof![
        5 => set,
        3 => oks().prop_map(|ok| (vec![Part::Ok(false, ok)], false)),
        1 => file,
        1 => error().prop_map(|error| (vec![error], true)),
    ]
}

fn result_sets(cache: bool) -> impl Strategy<Value = Vec<Part>> {
    vec(result(cache), 1..4).prop_map(|results| {
        let count = results.len();
        let mut parts = Vec::new();
        for (index, (mut result, failed)) in results.into_iter().enumerate() {
            if let Some(Part::Ok(_, ok)) = result.last_mut()
                && index + 1 < count
            {
                ok.status |= 8;
            }
            parts.extend(result);
            if failed {
                break;
            }
        }
        parts
    })
}

fn prepares() -> impl Strategy<Value = Vec<Part>> {
    (0..4_usize, 0..4_usize).prop_flat_map(|(params, columns)| {
        (
            definitions(params, Part::LastPrepared),
            definitions(columns, Part::LastPrepared),
        )
            .prop_map(move |(params, columns)| {
                let counts = [columns.len(), params.len()].map(|count| u16::try_from(count).unwrap());
                [vec![Part::Prepared(SERVER_ID, counts[0], counts[1])], params, columns].concat()
            })
    })
}

/// A shape and a reply of it.
fn replies(cache: bool) -> impl Strategy<Value = (ReplyShape, Vec<Part>)> {
    let single = prop_oneof![
        any::<bool>().prop_flat_map(|eof| oks().prop_map(move |ok| Part::Ok(eof, ok))),
        error()
    ];
    let fetched = (rows(), oks().prop_map(|ok| Part::Ok(true, ok)))
        .prop_map(|(rows, end)| (ReplyShape::Fetch, [rows, vec![end]].concat()));
    let listed = (definitions(3, Part::Plain), oks().prop_map(|ok| Part::Ok(true, ok)))
        .prop_map(|(list, end)| (ReplyShape::FieldList, [list, vec![end]].concat()));
    prop_oneof![
        6 => result_sets(cache).prop_map(|parts| (ReplyShape::ResultSets, parts)),
        1 => single.prop_map(|part| (ReplyShape::Simple, vec![part])),
        2 => prepares().prop_map(|parts| (ReplyShape::Prepare, parts)),
        1 => fetched,
        1 => listed,
    ]
}

fn cases() -> impl Strategy<Value = (Dialect, ReplyShape, Vec<Part>)> {
    dialects().prop_flat_map(|dialect| {
        replies(dialect.cache_metadata).prop_map(move |(shape, parts)| (dialect, shape, parts))
    })
}

fn reply(shape: ReplyShape, dialect: Dialect) -> Reply {
    let reply = match shape {
        ReplyShape::Prepare => Reply::prepare(OWN_ID, dialect, Status(2)),
        shape => Reply::new(shape, dialect, Status(2)),
    };
    reply.checked(Box::new(Checksum::new()))
}

fn same(one: &Outcome, other: &Outcome) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

proptest! {
    #[test]
    fn cut_anywhere_a_reply_comes_out_the_same_and_as_the_reference_says(
        (dialect, shape, parts) in cases(),
        sizes in vec(1..90_usize, 1..12),
        first in any::<u8>(),
    ) {
        let server = server_bytes(&parts, first);
        let (whole, outcome, sum) = drive(reply(shape, dialect), &server, &[usize::MAX]).expect("well-formed");
        prop_assert_eq!(&whole, &client_bytes(&parts, dialect, first, 2, OWN_ID));
        for sizes in [&sizes[..], &[1]] {
            let (cut, cut_outcome, cut_sum) = drive(reply(shape, dialect), &server, sizes).expect("well-formed");
            prop_assert_eq!(&cut, &whole);
            prop_assert!(same(&cut_outcome, &outcome), "{:?} {:?}", cut_outcome, outcome);
            prop_assert_eq!(cut_sum, sum);
        }
        let rewritten = shape == ReplyShape::Prepare
            || parts.iter().any(|part| matches!(part, Part::Ok(_, ok) if !ok.tracked.is_empty()));
        if dialect.deprecate_eof && !rewritten {
            prop_assert_eq!(&whole, &server);
        }
        let swallowed = Reply::swallowed(shape, dialect.cache_metadata);
        if !parts.iter().any(|part| matches!(part, Part::Infile(..))) {
            let (nothing, outcome_too, _) = drive(swallowed, &server, &sizes).expect("well-formed");
            prop_assert!(nothing.is_empty());
            prop_assert_eq!((outcome_too.status, outcome_too.rows), (outcome.status, outcome.rows));
        }
    }

    #[test]
    fn truncated_and_garbled_replies_end_in_an_error_or_wait(
        (dialect, shape, parts) in cases(),
        sizes in vec(1..90_usize, 1..12),
        garble in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut server = server_bytes(&parts, 1);
        for (place, byte) in &garble {
            let place = place.index(server.len());
            server[place] = *byte;
        }
        if garble.is_empty() {
            server.truncate(keep.index(server.len()));
        }
        let whole = feed(reply(shape, dialect), &server, &[usize::MAX]);
        let cut = feed(reply(shape, dialect), &server, &sizes);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            prop_assert_eq!(whole, cut);
        }
    }

    #[test]
    fn garbage_never_panics(
        dialect in dialects(),
        shape in prop_oneof![
            Just(ReplyShape::Simple), Just(ReplyShape::ResultSets), Just(ReplyShape::Prepare), Just(ReplyShape::Fetch),
            Just(ReplyShape::FieldList), Just(ReplyShape::Text), Just(ReplyShape::Stream), Just(ReplyShape::None),
        ],
        payloads in vec(vec(any::<u8>(), 0..30), 0..10),
        raw in vec(any::<u8>(), 0..60),
        sizes in vec(1..40_usize, 1..6),
    ) {
        let framed = server_bytes(&payloads.into_iter().map(Part::Plain).collect::<Vec<_>>(), 1);
        for bytes in [framed, raw] {
            prop_assert_eq!(
                feed(reply(shape, dialect), &bytes, &sizes).is_ok(),
                feed(reply(shape, dialect), &bytes, &[usize::MAX]).is_ok()
            );
        }
    }
}

/// As `drive`, for replies that may end early, late or never. Returns how many bytes were forwarded and are left.
fn feed(mut reply: Reply, bytes: &[u8], sizes: &[usize]) -> Result<(usize, usize), super::Malformed> {
    let mut forward = super::Forward::new();
    let (mut buffer, mut fed, mut forwarded) = (Vec::new(), 0_usize, 0_usize);
    for size in sizes.iter().cycle() {
        let piece = &bytes[fed..bytes.len().min(fed.saturating_add(*size))];
        buffer.extend_from_slice(piece);
        fed += piece.len();
        loop {
            forward.clear();
            let advance = reply.advance(&mut buffer, &mut forward)?;
            forwarded += forward.len();
            assert!(advance.consumed <= buffer.len());
            buffer.drain(..advance.consumed);
            match advance.progress {
                super::Progress::SendFile => reply.file_sent(),
                super::Progress::More | super::Progress::Done => break,
            }
        }
        if fed == bytes.len() {
            break;
        }
    }
    Ok((forwarded, buffer.len()))
}
