use super::*;

#[test]
fn every_built_in_is_found_and_only_reads() {
    for word in list::BUILT_IN
        .split_ascii_whitespace()
        .chain(list::NO_CALL.split_ascii_whitespace())
    {
        assert_eq!(lookup(word.as_bytes()), Call::Plain, "{word}");
        assert_eq!(lookup(word.to_lowercase().as_bytes()), Call::Plain, "{word}");
    }
}

#[test]
fn every_built_in_makes_a_read() {
    use crate::mysql::sql::classify::classify;
    use crate::mysql::sql::lex::Dialect;
    use crate::mysql::sql::verdict::Class;
    for word in list::BUILT_IN.split_ascii_whitespace() {
        let text = format!("SELECT {word}(a, 1) FROM t");
        assert_eq!(
            classify(text.as_bytes(), Dialect::default()).class,
            Class::Read,
            "{text}"
        );
    }
}

#[test]
fn special_calls_are_found() {
    for (word, call) in SPECIAL {
        assert_eq!(lookup(word.as_bytes()), call, "{word}");
    }
}

#[test]
fn unknown_names_may_write() {
    for word in [
        "F",
        "ABSX",
        "AB",
        "JSON_ARRAY_INTERSECT",
        "TO_DATE",
        "ST_COLLECT",
        "COLUMNS",
        "x_very_long_function_name",
    ] {
        assert!(matches!(lookup(word.as_bytes()), Call::Writes(_)), "{word}");
    }
}

#[test]
fn lists_hold_no_word_twice() {
    let mut words: Vec<_> = [list::BUILT_IN, list::NO_CALL]
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
        .collect();
    words.extend(SPECIAL.map(|(word, _)| word));
    let len = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), len);
}
