//! Nothing is allocated per packet: counted, on the untouched and on the translated path.

use allocation_counter::measure;

use super::super::checksum::Checksum;
use super::super::command::{Head, ReplyShape, Upstream};
use super::super::forward::Forward;
use super::super::ok::Status;
use super::cases_test::{NEW, OLD};
use super::reference_test::{Part, TestOk, server_bytes};
use super::{Progress, Reply};

const COLUMN: &[u8] = b"\x03def\0\0\0\x01a\0\x0c!\0\x03\0\0\0\xfd\0\0\0\0\0";

/// A result of `rows` rows whose end reports a GTID and a transaction's state.
fn result(rows: usize) -> Vec<u8> {
    let gtid = b"\x00\x11\x09last_gtid\x060-1-10".to_vec();
    let state = b"\x05\x09\x08T_R_____".to_vec();
    let end = TestOk {
        status: 2,
        tracked: vec![(false, gtid), (false, state)],
        ..TestOk::default()
    };
    let mut parts = vec![Part::Plain(vec![1]), Part::LastDefinition(COLUMN.to_vec())];
    parts.extend((0..rows).map(|_| Part::Plain(b"\x0ahello rows".to_vec())));
    parts.push(Part::Ok(true, end));
    server_bytes(&parts, 1)
}

fn run(bytes: &mut [u8], scratch: &mut [u8], forward: &mut Forward, make: &mut impl FnMut() -> Reply) -> Reply {
    scratch.copy_from_slice(bytes);
    let mut reply = make();
    let mut at = 0;
    while !reply.is_done() {
        forward.clear();
        let end = scratch.len().min(at + 4096);
        at += reply.advance(&mut scratch[at..end], forward).unwrap().consumed;
    }
    reply
}

#[test]
fn replies_cost_no_allocation_however_many_packets_they_have() {
    let mut bytes = result(10_000);
    let mut scratch = bytes.clone();
    for dialect in [NEW, OLD] {
        let mut forward = Forward::new();
        let mut make = || Reply::new(ReplyShape::ResultSets, dialect, Status(2));
        run(&mut bytes, &mut scratch, &mut forward, &mut make);
        let counted = measure(|| {
            for _ in 0..10 {
                let reply = run(&mut bytes, &mut scratch, &mut forward, &mut make);
                assert!(reply.outcome().gtid.is_some());
            }
        });
        assert_eq!(counted.count_total, 0, "{dialect:?}");
    }
    let mut forward = Forward::new();
    let mut lent = Some(Box::new(Checksum::new()));
    let counted = measure(|| {
        let mut make = || Reply::swallowed(ReplyShape::ResultSets, false).checked(lent.take().unwrap());
        let (outcome, checksum) = run(&mut bytes, &mut scratch, &mut forward, &mut make).finish();
        assert_eq!(outcome.rows, 10_000);
        drop(outcome);
        lent = checksum;
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn commands_cost_no_allocation() {
    let mut command = server_bytes(&[Part::Plain(b"\x03SELECT 1".to_vec())], 0);
    let counted = measure(|| {
        for _ in 0..1000 {
            assert!(Head::parse(&command).unwrap().is_only());
            assert!(Upstream::command().advance(&mut command).end);
        }
    });
    assert_eq!(counted.count_total, 0);
}

/// `cargo test --release -p quorate-router figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures; proves nothing"]
fn figures() {
    for (name, rows) in [("SELECT 1", 1), ("100 rows", 100), ("10,000 rows", 10_000)] {
        let bytes = result(rows);
        let rounds = 3_000_000 / (rows + 3);
        for (kind, dialect, checked) in [("new", NEW, false), ("old", OLD, false), ("new, checked", NEW, true)] {
            let mut forward = Forward::new();
            let mut chunk = bytes.clone();
            let mut lent = Some(Box::new(Checksum::new()));
            let started = cpu_nanoseconds();
            for _ in 0..rounds {
                chunk.copy_from_slice(&bytes);
                forward.clear();
                let mut reply = Reply::new(ReplyShape::ResultSets, dialect, Status(2));
                if checked {
                    reply = reply.checked(lent.take().unwrap());
                }
                assert_eq!(
                    reply.advance(&mut chunk, &mut forward).unwrap().progress,
                    Progress::Done
                );
                lent = reply.finish().1.or(lent);
            }
            let nanoseconds = (cpu_nanoseconds() - started) / rounds as u64;
            println!("{name}, {kind}: {nanoseconds} ns ({} bytes)", bytes.len());
        }
    }
}

/// Of this thread, so that a busy machine does not count.
fn cpu_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
