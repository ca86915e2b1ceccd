use super::*;

fn kinds(text: &str) -> Vec<(Kind, String)> {
    with(text, Dialect::default())
}

fn with(text: &str, dialect: Dialect) -> Vec<(Kind, String)> {
    Lexer::new(text.as_bytes(), dialect)
        .map(|token| (token.kind, String::from_utf8_lossy(token.text).into_owned()))
        .collect()
}

fn texts(text: &str) -> Vec<String> {
    kinds(text).into_iter().map(|(_, text)| text).collect()
}
