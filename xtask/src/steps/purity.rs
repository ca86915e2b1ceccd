//! Model and planner decide; they must decide the same thing every time.
//!
//! No clock, no chance, no iteration order of a hash map, no IO. Time and identity are inputs there.

use std::path::Path;

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};

use crate::context::Context;
use crate::outcome::Outcome;
use crate::source::{self, Source};

/// Folders that hold nothing but decisions.
const PURE: [&str; 2] = ["src/model", "src/planner"];

/// Folder in which even the word for waiting is out of place; the model declares asynchronous ports.
const SYNCHRONOUS: &str = "src/planner";

/// Names that have no innocent meaning, and what to use.
const NAMES: [(&str, &str); 11] = [
    ("HashMap", "its order differs between runs: BTreeMap"),
    ("HashSet", "its order differs between runs: BTreeSet"),
    ("RandomState", "its order differs between runs: BTreeMap"),
    ("Instant", "time is an input"),
    ("SystemTime", "time is an input"),
    ("tokio", "no runtime here"),
    ("rand", "chance is an input"),
    ("getrandom", "chance is an input"),
    ("TcpStream", "no IO here"),
    ("TcpListener", "no IO here"),
    ("UdpSocket", "no IO here"),
];

/// Modules of the standard library that reach outside the process.
const MODULES: [&str; 4] = ["fs", "env", "process", "thread"];

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let mut findings = Vec::new();
    let mut files = 0;
    for file in source::rust_files(context.root())? {
        if PURE
            .iter()
            .any(|folder| file.path.starts_with(Path::new(folder).join("src")))
        {
            files += 1;
            findings.extend(check(&file)?);
        }
    }
    Ok(Outcome::from_findings(findings, format!("{files} files")))
}

fn check(file: &Source) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    let synchronous = file.path.starts_with(SYNCHRONOUS);
    source::walk(file.tokens()?, &mut |siblings| {
        for token in siblings {
            let TokenTree::Ident(ident) = token else { continue };
            let line = ident.span().start().line;
            if let Some((name, why)) = NAMES.iter().find(|(name, _)| ident == name) {
                findings.push(file.finding(line, &format!("{name}: {why}")));
            }
            if synchronous && ident == "async" {
                findings.push(file.finding(line, "async: the planner waits for nothing"));
            }
        }
    });
    let mut modules = StdModules {
        file,
        findings: &mut findings,
    };
    modules.visit_file(&file.syntax()?);
    Ok(findings)
}

/// Finds `std::fs` and its like in paths and in imports, nested ones included.
struct StdModules<'a> {
    file: &'a Source,
    findings: &'a mut Vec<String>,
}

impl StdModules<'_> {
    fn look(&mut self, root: &syn::Ident, module: &syn::Ident) {
        let std = root == "std" || root == "core";
        if std && MODULES.iter().any(|name| module == name) {
            let line = module.span().start().line;
            self.findings
                .push(self.file.finding(line, &format!("std::{module}: no IO here")));
        }
    }

    fn look_below(&mut self, root: &syn::Ident, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.look(root, &path.ident),
            syn::UseTree::Name(name) => self.look(root, &name.ident),
            syn::UseTree::Rename(rename) => self.look(root, &rename.ident),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.look_below(root, item);
                }
            }
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for StdModules<'_> {
    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        self.look_below(&path.ident, &path.tree);
        visit::visit_use_path(self, path);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let [root, module, ..] = path.segments.iter().collect::<Vec<_>>().as_slice() {
            self.look(&root.ident, &module.ident);
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod unit {
    use std::path::PathBuf;

    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Source {
            path: PathBuf::from(path),
            text: text.to_owned(),
        })
        .expect("parses")
    }

    #[test]
    fn decisions_over_ordered_maps_pass() {
        let text = "use std::{collections::BTreeMap, net::SocketAddr};\nfn plan(now_ms: u64) -> u64 { now_ms }";
        assert!(findings("src/planner/src/a.rs", text).is_empty());
    }

    #[test]
    fn clocks_chance_and_hash_order_are_found_even_in_macros() {
        let text = "fn a() { assert!(std::time::Instant::now() > b); }\nuse std::collections::{HashMap};\nfn c() -> u8 { rand::random() }";
        let found = findings("src/model/src/a.rs", text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(
            found[1],
            "src/model/src/a.rs:2: HashMap: its order differs between runs: BTreeMap"
        );
    }

    #[test]
    fn io_is_found_in_paths_and_nested_imports() {
        let text = "use std::{fs, io::Read};\nuse std::env;\nfn a() { std::thread::yield_now(); }";
        assert_eq!(findings("src/model/src/a.rs", text).len(), 3);
    }

    #[test]
    fn only_the_planner_is_kept_from_waiting() {
        let text = "trait Probe { async fn observe(&self); }";
        assert!(findings("src/model/src/ports.rs", text).is_empty());
        assert_eq!(findings("src/planner/src/a.rs", text).len(), 1);
    }
}
