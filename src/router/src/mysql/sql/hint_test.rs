use super::*;

fn hint(comment: &str) -> Hint<'_> {
    parse(comment.as_bytes()).unwrap()
}

#[test]
fn maxscales_words_and_our_own_mean_the_same() {
    for (text, to) in [
        (" maxscale route to master", RouteTo::Primary),
        ("MaxScale ROUTE TO slave ", RouteTo::Replica),
        ("maxscale route to server db2", RouteTo::Node(b"db2")),
        ("maxscale route to last", RouteTo::Last),
        ("quorate route to primary", RouteTo::Primary),
        ("quorate route to replica", RouteTo::Replica),
        ("quorate route to node n-1", RouteTo::Node(b"n-1")),
        ("quorate route to last", RouteTo::Last),
    ] {
        assert_eq!(
            hint(text),
            Hint {
                route: Some(to),
                ..Hint::default()
            },
            "{text}"
        );
    }
}

#[test]
fn parameters_may_follow_each_other() {
    let all = hint("quorate max_lag_ms=250 causal=global token=0-1-1000000000042 route to replica");
    let expected = Hint {
        route: Some(RouteTo::Replica),
        max_lag: Some(Duration::from_millis(250)),
        causal: Some(Causal::Global),
        token: Some(1_000_000_000_042),
        refused: None,
    };
    assert_eq!(all, expected);
    assert_eq!(
        hint("maxscale max_slave_replication_lag=3").max_lag,
        Some(Duration::from_secs(3))
    );
}

#[test]
fn what_is_not_understood_is_said() {
    for text in [
        "quorate route to",
        "quorate route master",
        "maxscale begin route to master",
        "maxscale end",
        "maxscale h1 prepare route to master",
        "quorate causal=maybe",
        "quorate token=abc",
        "quorate max_lag_ms=soon",
        "quorate colour=red",
    ] {
        assert!(hint(text).refused.is_some(), "{text}");
    }
    assert_eq!(parse(b" just a comment"), None);
    assert_eq!(parse(b""), None);
}

#[test]
fn tokens() {
    assert_eq!(parse_token(b"0-1-42"), Some(42));
    for bad in ["", "0-1", "0-1-2-3", "a-1-2", "0-1-2,1-1-3", "0-1-18446744073709551616"] {
        assert_eq!(parse_token(bad.as_bytes()), None, "{bad}");
    }
}
