use super::*;

fn sample(shape: u64, micros: u64) -> Sample {
    Sample {
        shape,
        took: Duration::from_micros(micros),
        rows: 2,
        failed: false,
        ran_on: RanOn::Primary,
        at: Duration::from_secs(60),
    }
}

fn texts(digests: &Digests) -> Vec<(String, u64)> {
    digests
        .summaries()
        .iter()
        .map(|summary| (summary.row.text.to_string(), summary.row.count))
        .collect()
}

#[test]
fn threads_are_merged_and_the_costliest_shape_comes_first() {
    let digests = Digests::new(2, 10);
    digests.record(0, &sample(1, 100), || "a".into());
    digests.record(1, &sample(1, 300), || "a".into());
    digests.record(1, &sample(2, 5000), || "b".into());
    digests.record(1, &sample(2, 5000), || panic!("the text is asked for once"));
    assert_eq!(texts(&digests), [("b".to_owned(), 2), ("a".to_owned(), 2)]);
    assert_eq!(digests.summaries()[1].row.times.max(), Duration::from_micros(300));
}

#[test]
fn shapes_beyond_the_limit_share_a_row() {
    let digests = Digests::new(2, 3);
    for shape in 1..=10 {
        digests.record(0, &sample(shape, 100 * shape), || format!("s{shape}").into());
        digests.record(1, &sample(shape + 100, 10), || format!("t{shape}").into());
    }
    let texts = texts(&digests);
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[3], ("(others)".to_owned(), 17));
    assert_eq!(texts.iter().map(|(_, count)| count).sum::<u64>(), 20);
}

#[test]
fn the_table_says_where_statements_ran() {
    let digests = Digests::new(1, 10);
    for (ran_on, failed) in [
        (RanOn::Primary, true),
        (RanOn::Replica(0), false),
        (RanOn::Replica(0), false),
        (RanOn::Replica(1), false),
        (RanOn::Replica(200), false),
    ] {
        digests.record(
            0,
            &Sample {
                ran_on,
                failed,
                ..sample(0xfe, 1500)
            },
            || "SELECT ?".into(),
        );
    }
    let table = digests.table(|number| (number == 0).then(|| "db2".to_owned()));
    assert_eq!(table.rows.len(), 1);
    let cell = |name: &str| {
        let at = table.columns.iter().position(|column| *column == name).unwrap();
        table.rows[0][at].as_str()
    };
    assert_eq!(cell("digest"), "00000000000000fe");
    assert_eq!(cell("statement"), "SELECT ?");
    assert_eq!((cell("count"), cell("errors"), cell("rows")), ("5", "1", "10"));
    assert_eq!((cell("primary"), cell("replicas")), ("1", "db2:2 other:1 other:1"));
    assert_eq!(
        (cell("p50_ms"), cell("max_ms"), cell("total_ms")),
        ("1.408", "1.500", "7.500")
    );
    assert_eq!(cell("last_seen"), "1970-01-01T00:01:00Z");
    assert_eq!(table.rows[0].len(), table.columns.len());
}

#[test]
fn a_thousand_shapes_stay_below_a_megabyte() {
    assert!(size_of::<Row>() <= 640);
}
