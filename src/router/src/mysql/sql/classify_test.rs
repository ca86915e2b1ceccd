use super::*;

fn class(text: &str) -> &'static str {
    classify(text.as_bytes(), Dialect::default()).class.name()
}

#[test]
fn point_select_is_a_read() {
    assert_eq!(class("SELECT c FROM sbtest1 WHERE id=123"), "read");
}
