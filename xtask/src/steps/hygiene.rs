//! What must not stay behind in a finished change.

use proc_macro2::{Delimiter, TokenTree};

use crate::comments::comments;
use crate::context::Context;
use crate::outcome::Outcome;
use crate::source::{self, Source};

/// Words that postpone work; the tracker is the place for it.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Macros for the time of writing only.
const MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let files = source::rust_files(context.root())?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(check(file)?);
    }
    Ok(Outcome::from_findings(findings, format!("{} files", files.len())))
}

fn check(file: &Source) -> anyhow::Result<Vec<String>> {
    let mut findings = marks(file);
    source::walk(file.tokens()?, &mut |siblings| {
        for at in 0..siblings.len() {
            if let Some((line, what)) = offence(&siblings[at..]) {
                findings.push(file.finding(line, &what));
            }
        }
    });
    Ok(findings)
}

fn marks(file: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for comment in comments(&file.text) {
        for (offset, text) in comment.text.lines().enumerate() {
            let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            if let Some(mark) = words.find(|word| MARKS.contains(word)) {
                findings.push(file.finding(comment.line + offset, &format!("{mark} in a comment; do it or file it")));
            }
        }
    }
    findings
}

/// Looks at the first tokens only.
fn offence(tokens: &[TokenTree]) -> Option<(usize, String)> {
    match tokens {
        [TokenTree::Ident(name), TokenTree::Punct(bang), TokenTree::Group(_), ..]
            if bang.as_char() == '!' && MACROS.iter().any(|macro_name| name == macro_name) =>
        {
            Some((
                name.span().start().line,
                format!("{name}! is for the time of writing only"),
            ))
        }
        [TokenTree::Punct(hash), TokenTree::Group(attribute), ..]
            if hash.as_char() == '#' && attribute.delimiter() == Delimiter::Bracket =>
        {
            let content: Vec<TokenTree> = attribute.stream().into_iter().collect();
            let [TokenTree::Ident(name)] = content.as_slice() else {
                return None;
            };
            (name == "ignore").then(|| {
                (
                    name.span().start().line,
                    "#[ignore] without a reason: #[ignore = \"…\"]".to_owned(),
                )
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod unit {
    use std::path::PathBuf;

    use super::*;

    fn findings(text: &str) -> Vec<String> {
        check(&Source {
            path: PathBuf::from("a.rs"),
            text: text.to_owned(),
        })
        .expect("lexes")
    }

    #[test]
    fn marks_in_comments_are_found_and_strings_are_not() {
        let text = format!(
            "fn a() {{\n    // {}: later\n    let _ = \"{}\"; // {}_COUNT\n}}\n",
            MARKS[0], MARKS[1], MARKS[2]
        );
        assert_eq!(
            findings(&text),
            [format!("a.rs:2: {} in a comment; do it or file it", MARKS[0])]
        );
    }

    #[test]
    fn writing_time_macros_are_found_inside_other_macros() {
        assert_eq!(findings("fn a() { select! { x = y => dbg!(x) } }").len(), 1);
        assert_eq!(findings("fn a() { todo!() }").len(), 1);
        assert!(findings("fn todo() -> bool { !todo(1) }").is_empty());
    }

    #[test]
    fn an_ignored_test_says_why() {
        assert_eq!(
            findings("#[test]\n#[ignore]\nfn a() {}"),
            ["a.rs:2: #[ignore] without a reason: #[ignore = \"…\"]"]
        );
        assert!(findings("#[test]\n#[ignore = \"needs two machines\"]\nfn a() {}").is_empty());
    }
}
