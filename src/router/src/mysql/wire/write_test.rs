//! What the router makes itself is read back by its own reader, and matches a server's bytes.

use bytes::BytesMut;

use super::capabilities::{Capabilities, Dialect};
use super::command::{ReplyShape, Upstream};
use super::forward::Forward;
use super::ok::{OkPacket, Status};
use super::packet::header;
use super::reply::{End, Progress, Reply};
use super::statement::{Execute, Types, bulk_types, bulk_with_types, execute_types, execute_with_types, statement_id};
use super::write::{OkFields, TextResult, put_command, put_end, put_err, put_ok, put_query};

fn dialect(capabilities: Capabilities) -> Dialect {
    Dialect::of(capabilities)
}

#[test]
fn a_result_set_is_that_of_a_server() {
    let mut out = BytesMut::new();
    let old = dialect(Capabilities::default());
    let mut result = TextResult::begin(&mut out, old, 1, Status::AUTOCOMMIT, &["a"]);
    result.row(&[Some("x")]);
    result.row(&[None]);
    result.end();
    let expected = b"\x01\0\0\x01\x01\
        \x17\0\0\x02\x03def\0\0\0\x01a\0\x0c!\0\xff\xff\0\0\xfd\0\0'\0\0\
        \x05\0\0\x03\xfe\0\0\x02\0\
        \x02\0\0\x04\x01x\
        \x01\0\0\x05\xfb\
        \x05\0\0\x06\xfe\0\0\x02\0";
    assert_eq!(&out[..], expected);
}

#[test]
fn a_result_set_can_be_read_in_the_dialects_of_servers() {
    for capabilities in [
        Capabilities::DEPRECATE_EOF,
        Capabilities::DEPRECATE_EOF | Capabilities::CACHE_METADATA | Capabilities::EXTENDED_METADATA,
    ] {
        let dialect = dialect(capabilities);
        let mut out = BytesMut::new();
        let long = "v".repeat(300);
        let mut result = TextResult::begin(&mut out, dialect, 1, Status::AUTOCOMMIT, &["name", "value"]);
        result.row(&[Some("one"), None]);
        result.row(&[Some(""), Some(&long)]);
        result.end();
        let mut reply = Reply::new(ReplyShape::ResultSets, dialect, Status::default());
        let advance = reply.advance(&mut out, &mut Forward::new()).unwrap();
        assert_eq!((advance.progress, advance.consumed), (Progress::Done, out.len()));
        assert_eq!(
            (reply.outcome().rows, reply.outcome().status),
            (2, Some(Status::AUTOCOMMIT))
        );
    }
}

#[test]
fn single_packets_can_be_read() {
    let mut out = BytesMut::new();
    let ok = OkFields {
        affected_rows: 300,
        last_insert_id: 7,
        status: Status(0x4002),
        warnings: 1,
        info: "hello",
    };
    put_ok(&mut out, 1, &ok);
    let parsed = OkPacket::parse(&out[4..], true).unwrap();
    assert_eq!(
        (parsed.affected_rows, parsed.last_insert_id, parsed.warnings),
        (300, 7, 1)
    );
    assert_eq!((parsed.info, parsed.status), (&b"hello"[..], Status::AUTOCOMMIT));

    out.clear();
    put_err(&mut out, 3, 1290, *b"HY000", "no");
    assert_eq!(header(&out), Some((11, 3)));
    let mut reply = Reply::new(ReplyShape::Simple, dialect(Capabilities::default()), Status::default());
    reply.advance(&mut out, &mut Forward::new()).unwrap();
    assert_eq!(
        reply.outcome().end,
        End::Err {
            code: 1290,
            sqlstate: *b"HY000"
        }
    );

    out.clear();
    put_end(&mut out, dialect(Capabilities::DEPRECATE_EOF), 2, Status::AUTOCOMMIT, 0);
    assert_eq!(&out[..], b"\x07\0\0\x02\xfe\0\0\x02\0\0\0");
}

#[test]
fn commands_are_split_as_their_length_demands() {
    let full = 0xff_ffff;
    for (body, packets) in [(0, 1), (full - 4, 1), (full - 3, 2), (full + 9, 2), (2 * full - 3, 3)] {
        let mut out = BytesMut::new();
        let text = vec![b'x'; body];
        assert_eq!(put_command(&mut out, 0, &[b"\x03", b"/*", &text]), packets);
        let mut upstream = Upstream::command();
        let taken = upstream.advance(&mut out);
        assert_eq!(
            (taken.bytes, taken.end, upstream.last_sequence()),
            (out.len(), true, packets - 1)
        );
        assert_eq!(out.len(), 3 + body + 4 * usize::from(packets));
    }
    let mut out = BytesMut::new();
    put_query(&mut out, "SELECT 1");
    assert_eq!(&out[..], b"\x09\0\0\0\x03SELECT 1");
}

/// Three parameters, the second NULL.
const EXECUTE: &[u8] = b"\x17\x05\0\0\0\x01\x01\0\0\0\x02\x01\x03\0\x06\0\xfd\0\x09\0\0\0\x01k";
const UNTYPED: &[u8] = b"\x17\x05\0\0\0\x01\x01\0\0\0\x02\0\x09\0\0\0\x01k";

fn framed(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_le_bytes()[..], payload].concat()
}

#[test]
fn types_are_taken_from_one_execute_and_put_into_another() {
    let Types::Bound(types) = execute_types(EXECUTE, 3).unwrap() else {
        panic!("no types")
    };
    assert_eq!(types, b"\x03\0\x06\0\xfd\0");
    assert_eq!(execute_types(UNTYPED, 3), Ok(Types::Unbound));
    assert_eq!(execute_types(&EXECUTE[..10], 0), Ok(Types::None));
    assert_eq!(Execute::parse(EXECUTE), Ok(Execute { id: 5, cursor: 1 }));
    assert_eq!(statement_id(EXECUTE), Ok(5));
    assert!(statement_id(&EXECUTE[..4]).is_err());

    let packet = framed(UNTYPED);
    // The start of the packet is enough: the rest may still be on its way.
    for there in [packet.len(), 4 + 12] {
        let mut out = BytesMut::new();
        let replaced = execute_with_types(&packet[..there], 3, types, &mut out)
            .unwrap()
            .unwrap();
        out.extend_from_slice(&packet[replaced..]);
        assert_eq!(&out[..], framed(EXECUTE));
    }
    let mut huge = packet;
    huge[..3].copy_from_slice(&[0xfe, 0xff, 0xff]);
    assert_eq!(execute_with_types(&huge, 3, types, &mut BytesMut::new()), Ok(None));
    for cut in 0..UNTYPED.len() {
        let _ = execute_types(&UNTYPED[..cut], 3);
        let _ = execute_with_types(&framed(UNTYPED)[..cut], 3, types, &mut BytesMut::new());
    }
}

#[test]
fn types_are_put_into_a_bulk() {
    let with = b"\xfa\x05\0\0\0\x80\0\xfd\0\0\x01a\0\x01b";
    let without = b"\xfa\x05\0\0\0\0\0\0\x01a\0\x01b";
    assert_eq!(bulk_types(with, 1), Ok(Types::Bound(b"\xfd\0")));
    assert_eq!(bulk_types(without, 1), Ok(Types::Unbound));
    let packet = framed(without);
    let mut out = BytesMut::new();
    let replaced = bulk_with_types(&packet, b"\xfd\0", &mut out).unwrap().unwrap();
    out.extend_from_slice(&packet[replaced..]);
    assert_eq!(&out[..], framed(with));
}

#[test]
fn greetings_of_10_11_are_offered_without_what_is_not_handled() {
    // From a server's greeting, TLS on.
    let server = Capabilities::from_parts(0x81ff_f7fe | 0x0100_0000, 0x1d);
    let offered = Capabilities::offered(server, true, false);
    assert!(offered.has(Capabilities::CACHE_METADATA | Capabilities::STMT_BULK | Capabilities::DEPRECATE_EOF));
    assert!(!offered.has(Capabilities::LOCAL_FILES) && !offered.has(Capabilities::PROGRESS));
    assert!(!offered.has(Capabilities::COMPRESS));
}
