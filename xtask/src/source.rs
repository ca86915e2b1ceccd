//! The text files of the repository, read once per step.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use proc_macro2::{TokenStream, TokenTree};

/// One file, by its path relative to the root of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn tokens(&self) -> anyhow::Result<TokenStream> {
        // Shebang and byte-order mark do not occur in this repository; anything else rustc accepts lexes here.
        TokenStream::from_str(&self.text).map_err(|error| anyhow::anyhow!("{}: {error}", self.path.display()))
    }

    pub(crate) fn syntax(&self) -> anyhow::Result<syn::File> {
        syn::parse_file(&self.text).with_context(|| format!("parsing {}", self.path.display()))
    }

    /// `path:line: what`
    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }
}

/// All Rust files below `root`.
pub(crate) fn rust_files(root: &Path) -> anyhow::Result<Vec<Source>> {
    files(root, ".rs")
}

/// All files below `root` whose names end so, sorted by path; build output and hidden folders are left out.
pub(crate) fn files(root: &Path, suffix: &str) -> anyhow::Result<Vec<Source>> {
    let mut paths = Vec::new();
    collect(root, suffix, &mut paths)?;
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Source {
                path: path.strip_prefix(root)?.to_path_buf(),
                text,
            })
        })
        .collect()
}

fn collect(folder: &Path, suffix: &str, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), suffix, into)?;
        } else if name.ends_with(suffix) {
            into.push(entry.path());
        }
    }
    Ok(())
}

/// Calls `visit` with every sequence of sibling tokens, the nested ones included.
pub(crate) fn walk(stream: TokenStream, visit: &mut impl FnMut(&[TokenTree])) {
    let siblings: Vec<TokenTree> = stream.into_iter().collect();
    visit(&siblings);
    for token in siblings {
        if let TokenTree::Group(group) = token {
            walk(group.stream(), visit);
        }
    }
}
