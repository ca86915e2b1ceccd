//! Functions that fit on a screen, or say why not.
//!
//! Clippy's `too_many_lines` holds the same limit where it looks; this step also sees code that is
//! configured out on this machine and demands that an exception carries its reason.

use syn::Meta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::context::Context;
use crate::outcome::Outcome;
use crate::source::{self, Source};

const LIMIT: usize = 70;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let files = source::rust_files(context.root())?;
    let mut findings = Vec::new();
    let mut functions = 0;
    for file in &files {
        let (count, found) = check(file)?;
        functions += count;
        findings.extend(found);
    }
    Ok(Outcome::from_findings(findings, format!("{functions} functions")))
}

/// Number of functions and what is wrong with them.
fn check(file: &Source) -> anyhow::Result<(usize, Vec<String>)> {
    let syntax = file.syntax()?;
    let mut functions = Functions {
        file,
        lines: file.text.lines().collect(),
        count: 0,
        findings: Vec::new(),
    };
    functions.visit_file(&syntax);
    Ok((functions.count, functions.findings))
}

struct Functions<'a> {
    file: &'a Source,
    lines: Vec<&'a str>,
    count: usize,
    findings: Vec<String>,
}

impl Functions<'_> {
    fn look(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], block: &syn::Block) {
        self.count += 1;
        let size = self.code_lines(block);
        if size > LIMIT && !attributes.iter().any(reasoned_exception) {
            self.findings.push(self.file.finding(
                name.span().start().line,
                &format!(
                    "`{name}` has {size} lines of code, the limit is {LIMIT}; split it, or \
                     #[expect(clippy::too_many_lines, reason = \"…\")]"
                ),
            ));
        }
    }

    /// Lines between the braces that are neither empty nor a comment.
    fn code_lines(&self, block: &syn::Block) -> usize {
        let span = block.span();
        let (first, last) = (span.start().line, span.end().line);
        self.lines
            .iter()
            .take(last.saturating_sub(1))
            .skip(first)
            .map(|line| line.trim())
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .count()
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.look(&function.sig.ident, &function.attrs, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.look(&function.sig.ident, &function.attrs, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.look(&function.sig.ident, &function.attrs, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// Whether this is the attribute that excuses a long function, with its reason.
fn reasoned_exception(attribute: &syn::Attribute) -> bool {
    if !attribute.path().is_ident("expect") {
        return false;
    }
    let Ok(list) = attribute.parse_args_with(Punctuated::<Meta, syn::Token![,]>::parse_terminated) else {
        return false;
    };
    let names_lint = list.iter().any(|meta| {
        let path = meta.path();
        path.segments.len() == 2 && path.segments[0].ident == "clippy" && path.segments[1].ident == "too_many_lines"
    });
    names_lint && list.iter().any(|meta| meta.path().is_ident("reason"))
}

#[cfg(test)]
mod unit {
    use std::path::PathBuf;

    use super::*;

    fn file(attribute: &str, statements: usize) -> Source {
        let body = "    let _ = 1;\n    // why\n\n".repeat(statements);
        Source {
            path: PathBuf::from("a.rs"),
            text: format!("struct A;\nimpl A {{\n{attribute}fn long() {{\n{body}}}\n}}\n"),
        }
    }

    #[test]
    fn comments_and_empty_lines_are_free() {
        let (count, findings) = check(&file("", LIMIT)).expect("parses");
        assert_eq!((count, findings), (1, Vec::new()));
    }

    #[test]
    fn one_line_more_is_reported_with_its_place() {
        let (_, findings) = check(&file("", LIMIT + 1)).expect("parses");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("a.rs:3: `long` has 71 lines"), "{findings:?}");
    }

    #[test]
    fn an_exception_needs_its_reason() {
        let bare = "#[expect(clippy::too_many_lines)]\n";
        assert_eq!(check(&file(bare, LIMIT + 1)).expect("parses").1.len(), 1);
        let allowed = "#[allow(clippy::too_many_lines, reason = \"a list\")]\n";
        assert_eq!(check(&file(allowed, LIMIT + 1)).expect("parses").1.len(), 1);
        let reasoned = "#[expect(clippy::too_many_lines, reason = \"a list\")]\n";
        assert_eq!(check(&file(reasoned, LIMIT + 1)).expect("parses").1.len(), 0);
    }
}
