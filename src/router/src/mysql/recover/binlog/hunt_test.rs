use proptest::prelude::*;

use super::*;

const OURS: Marker = Marker::new(7);

fn event(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 19];
    bytes[4] = kind;
    bytes.extend_from_slice(body);
    bytes
}

fn gtid(seq: u64, flags: u8) -> Vec<u8> {
    event(162, &[&seq.to_le_bytes()[..], &0_u32.to_le_bytes(), &[flags]].concat())
}

fn annotation(marker: Option<Marker>, text: &str) -> Vec<u8> {
    let prefix = marker.map_or_else(Vec::new, |marker| marker.prefix().to_vec());
    event(160, &[&prefix[..], text.as_bytes()].concat())
}

fn table(id: u8, name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    let head = [id, 0, 0, 0, 0, 0, 1, 0, 1, b's', 0, len];
    event(19, &[&head[..], name.as_bytes(), &[0, 1, 3, 0, 0]].concat())
}

/// One INT in one row; the statement ends.
fn row(id: u8) -> Vec<u8> {
    event(23, &[id, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 9, 0, 0, 0])
}

fn commit() -> Vec<u8> {
    event(16, &[0; 8])
}

fn hunt(events: &[Vec<u8>]) -> Hunt {
    let mut hunt = Hunt::new([(OURS, 10)]);
    for event in events {
        hunt.take(event, false).unwrap();
    }
    hunt
}

fn ours(seq: u64) -> [Vec<u8>; 5] {
    [
        gtid(seq, 4),
        annotation(Some(OURS), "INSERT INTO t VALUES (9)"),
        table(1, "t"),
        row(1),
        commit(),
    ]
}

#[test]
fn a_marker_counts_above_the_position_and_once_it_is_committed() {
    let found = hunt(&ours(11));
    let found = found.found(OURS).unwrap();
    assert!(found.seq == 11 && found.transactional && matches!(found.logged, Some(Logged::Rows(_))));
    assert_eq!(hunt(&ours(10)).found(OURS), None);
    let [gtid_, text, map, row_, commit_] = ours(11);
    // Cut off by a crash, the next group follows.
    let torn = [gtid_, text, map, row_, gtid(12, 4), commit_];
    assert_eq!(hunt(&torn).found(OURS), None);
    let rolled_back = [
        ours(11)[..4].to_vec(),
        vec![event(2, &[&[0; 13][..], &[0], b"ROLLBACK"].concat())],
    ]
    .concat();
    assert!(!hunt(&rolled_back).found(OURS).unwrap().transactional);
}

#[test]
fn rows_that_could_be_anybodys_are_in_doubt() {
    let doubt = |events: &[Vec<u8>], table: &[u8]| hunt(events).doubt_between(10, 100, Target::named(table));
    let inner = annotation(None, "INSERT INTO log VALUES (NEW.v)");
    let hidden = [
        gtid(11, 4),
        inner.clone(),
        table(1, "log"),
        table(2, "T"),
        row(1),
        commit(),
    ];
    assert!(doubt(&hidden, b"t").is_some_and(|why| why.contains("trigger")));
    assert_eq!(doubt(&hidden, b"other"), None);
    assert!(hunt(&hidden).doubt_between(10, 100, Target::ANY).is_some());
    assert_eq!(hunt(&hidden).doubt_between(11, 100, Target::ANY), None);
    assert_eq!(hunt(&hidden).doubt_between(10, 11, Target::ANY), None);
    // One table: the text's own. A caller's would be a second one.
    assert_eq!(
        doubt(&[gtid(11, 4), inner, table(1, "t"), row(1), commit()], b"t"),
        None
    );
    // Another session has signed the group.
    let signed = annotation(Some(Marker::new(8)), "UPDATE u SET v = 1");
    let theirs = [&hidden[..5], &[signed, table(3, "u"), row(3), commit()]].concat();
    assert_eq!(doubt(&theirs, b"t"), None);
    let bare = [gtid(11, 4), table(1, "t"), row(1), commit()];
    assert!(doubt(&bare, b"t").is_some_and(|why| why.contains("annotate")));
    assert_eq!(doubt(&bare, b"u"), None);
    assert!(doubt(&[gtid(11, 4), event(165, &[])], b"u").is_some());
}

#[test]
fn more_doubts_than_are_remembered_leave_no_proof_beyond_them() {
    let bare = |seq| [gtid(seq, 4), table(1, "t"), row(1), commit()];
    let events: Vec<_> = (11..1100).flat_map(bare).collect();
    let hunt = hunt(&events);
    assert!(hunt.doubt_between(10, 2000, Target::named(b"u")).is_some());
    assert_eq!(hunt.doubt_between(10, 500, Target::named(b"u")), None);
}

proptest! {
    #[test]
    fn no_event_panics(events in prop::collection::vec((0_u8..180, prop::collection::vec(any::<u8>(), 0..80)), 0..40)) {
        let mut hunt = Hunt::new([(OURS, 0)]);
        for (kind, body) in events {
            let _ = hunt.take(&event(kind, &body), false);
        }
    }

    #[test]
    fn no_text_panics(text in "[ -~]{0,60}") {
        let text = [&OURS.prefix()[..], text.as_bytes()].concat();
        let mut hunt = Hunt::new([(OURS, 0)]);
        for event in [gtid(1, 4), event(160, &text), table(1, "t"), row(1), commit()] {
            hunt.take(&event, false).unwrap();
        }
        if let Some(Logged::Rows(tally)) = &hunt.found(OURS).unwrap().logged {
            let _ = tally.result(false, None);
        }
    }
}
