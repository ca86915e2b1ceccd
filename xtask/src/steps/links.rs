//! A page that points nowhere was written for somebody who then finds nothing.

use std::path::Path;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::source::{self, Source};

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let pages = source::files(context.root(), ".md")?;
    let findings = pages
        .iter()
        .flat_map(|page| check(page, &|path| context.root().join(path).exists()))
        .collect();
    Ok(Outcome::from_findings(findings, format!("{} pages", pages.len())))
}

fn check(page: &Source, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let folder = page.path.parent().unwrap_or_else(|| Path::new(""));
    let mut findings = Vec::new();
    for (at, line) in page.text.lines().enumerate() {
        for target in targets(line).filter(|target| !exists(&folder.join(target))) {
            findings.push(page.finding(at + 1, &format!("{target} is not there")));
        }
    }
    findings
}

/// Where the links of a line lead, as far as that is a file of ours.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .filter_map(|(target, _)| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

#[cfg(test)]
mod unit {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn links_are_read_from_the_folder_of_their_page() {
        let text =
            "See [a](a.md#top), [up](../README.md) and\n[gone](gone.md), [net](https://x.org/y.md), [here](#below).\n";
        let page = Source {
            path: PathBuf::from("docs/page.md"),
            text: text.to_owned(),
        };
        let there = ["docs/a.md", "docs/../README.md"];
        let findings = check(&page, &|path| there.iter().any(|known| path == Path::new(known)));
        assert_eq!(findings, ["docs/page.md:2: gone.md is not there"]);
    }
}
