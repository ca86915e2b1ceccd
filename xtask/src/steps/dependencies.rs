//! Who may know whom.
//!
//! The table is §"The crates" of `docs/architecture.md`. Only direct dependencies are listed there and
//! checked here, for normal and build dependencies as for those of tests. Crates that must not be in
//! the program at all are looked for in the whole resolved graph.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::Context as _;
use cargo_metadata::{MetadataCommand, Package};

use crate::context::Context;
use crate::outcome::Outcome;

/// A crate of the workspace and the crates of the workspace it may depend on.
const ARROWS: [(&str, &[&str]); 9] = [
    ("quorate-model", &[]),
    ("quorate-planner", &["quorate-model"]),
    ("quorate-api", &["quorate-model"]),
    ("quorate-mariadb", &["quorate-model"]),
    ("quorate-raft", &["quorate-model"]),
    ("quorate-router", &["quorate-api", "quorate-model"]),
    ("quorate-agent", &["quorate-api", "quorate-mariadb", "quorate-model"]),
    (
        "quorate-supervisor",
        &[
            "quorate-api",
            "quorate-mariadb",
            "quorate-model",
            "quorate-planner",
            "quorate-raft",
        ],
    ),
    (
        "quorate",
        &[
            "quorate-agent",
            "quorate-api",
            "quorate-mariadb",
            "quorate-model",
            "quorate-planner",
            "quorate-raft",
            "quorate-router",
            "quorate-supervisor",
        ],
    ),
];

/// Tools around the product; they may use anything.
const UNBOUND: [&str; 2] = ["quorate-chaos", "xtask"];

/// Pure crates and all the foreign crates they may name outside tests.
const PURE: [(&str, &[&str]); 2] = [
    ("quorate-model", &["serde", "thiserror"]),
    ("quorate-planner", &["serde", "thiserror"]),
];

/// Foreign crates that one crate alone may name.
const OWNED: [(&str, &str); 2] = [("openraft", "quorate-raft"), ("redb", "quorate-raft")];

/// Crates that must not be in the graph of the build target, and why.
const BANNED: [(&str, &str); 10] = [
    (
        "ring",
        "a second provider beside aws-lc-rs makes rustls refuse to choose",
    ),
    ("openssl", "rustls with aws-lc-rs is the only TLS"),
    ("openssl-sys", "rustls with aws-lc-rs is the only TLS"),
    ("native-tls", "rustls with aws-lc-rs is the only TLS"),
    ("serde_yaml", "deprecated; serde-saphyr"),
    ("serde_yml", "unsound; serde-saphyr"),
    ("figment", "stalled; clap over a serde struct"),
    ("bincode", "abandoned; serde_json"),
    ("async-std", "discontinued; tokio"),
    ("sled", "unmaintained; redb"),
];

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let metadata = MetadataCommand::new()
        .cargo_path(context.cargo_path())
        .current_dir(context.root())
        .no_deps()
        .other_options(["--locked".to_owned()])
        .exec()?;
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        findings.extend(check_package(&Links::of(package)));
    }
    findings.extend(check_graph(&resolved(context)?));
    let note = format!("{} crates of ours", metadata.workspace_members.len());
    Ok(Outcome::from_findings(findings, note))
}

/// What one crate of the workspace names, split into ours and foreign.
#[derive(Debug, Default)]
struct Links {
    name: String,
    ours: BTreeSet<String>,
    foreign: BTreeSet<String>,
    foreign_in_tests: BTreeSet<String>,
}

impl Links {
    fn of(package: &Package) -> Self {
        let mut links = Self {
            name: package.name.to_string(),
            ..Self::default()
        };
        for dependency in &package.dependencies {
            let name = dependency.name.clone();
            if dependency.path.is_some() {
                links.ours.insert(name);
            } else if dependency.kind == cargo_metadata::DependencyKind::Development {
                links.foreign_in_tests.insert(name);
            } else {
                links.foreign.insert(name);
            }
        }
        links
    }
}

fn check_package(links: &Links) -> Vec<String> {
    let name = links.name.as_str();
    if UNBOUND.contains(&name) {
        return owned(links);
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![format!(
            "{name} has no place in the table of allowed arrows; give it one here and in the design"
        )];
    };
    let mut findings = owned(links);
    for target in links.ours.iter().filter(|target| !allowed.contains(&target.as_str())) {
        findings.push(format!(
            "{name} -> {target} is not an allowed arrow (allowed: {})",
            allowed.join(", ")
        ));
    }
    if let Some((_, allowed)) = PURE.iter().find(|(pure, _)| *pure == name) {
        for foreign in links
            .foreign
            .iter()
            .filter(|foreign| !allowed.contains(&foreign.as_str()))
        {
            findings.push(format!(
                "{name} -> {foreign}: a pure crate names only {}",
                allowed.join(", ")
            ));
        }
    }
    findings
}

fn owned(links: &Links) -> Vec<String> {
    OWNED
        .iter()
        .filter(|(foreign, owner)| {
            links.name != *owner && (links.foreign.contains(*foreign) || links.foreign_in_tests.contains(*foreign))
        })
        .map(|(foreign, owner)| format!("{} -> {foreign}: only {owner} may name it", links.name))
        .collect()
}

/// Names of all packages that take part in a build for this machine.
///
/// From `cargo tree`: the graph of `cargo metadata` also holds optional crates that nothing switches on.
fn resolved(context: &Context) -> anyhow::Result<BTreeSet<String>> {
    let mut command = context.cargo(&["tree", "--locked", "--workspace", "--edges", "normal,build,dev"]);
    command
        .args(["--prefix", "none", "--format", "{p}"])
        .stderr(Stdio::inherit());
    let output = command.output().context("starting cargo tree")?;
    anyhow::ensure!(output.status.success(), "cargo tree failed; see above");
    Ok(names(&String::from_utf8_lossy(&output.stdout)))
}

/// `serde v1.0.229 (proc-macro) (*)` is `serde`.
fn names(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(ToOwned::to_owned)
        .collect()
}

fn check_graph(packages: &BTreeSet<String>) -> Vec<String> {
    BANNED
        .iter()
        .filter(|(name, _)| packages.contains(*name))
        .map(|(name, why)| {
            format!("{name} is in the dependency graph: {why} (`cargo tree --invert {name}` shows the way)")
        })
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn links(name: &str, ours: &[&str], foreign: &[&str]) -> Links {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Links {
            name: name.to_owned(),
            ours: set(ours),
            foreign: set(foreign),
            ..Links::default()
        }
    }

    #[test]
    fn allowed_arrows_pass() {
        assert!(check_package(&links("quorate-router", &["quorate-api", "quorate-model"], &["tokio"])).is_empty());
        assert!(check_package(&links("quorate-chaos", &["quorate-router", "quorate-raft"], &[])).is_empty());
    }

    #[test]
    fn the_router_never_sees_consensus_or_engines() {
        let found = check_package(&links(
            "quorate-router",
            &["quorate-raft", "quorate-mariadb", "quorate-planner"],
            &[],
        ));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("quorate-router -> quorate-mariadb is not an allowed arrow"));
    }

    #[test]
    fn pure_crates_name_no_runtime() {
        let found = check_package(&links("quorate-planner", &["quorate-model"], &["tokio"]));
        assert_eq!(
            found,
            ["quorate-planner -> tokio: a pure crate names only serde, thiserror"]
        );
    }

    #[test]
    fn openraft_has_one_owner_even_in_tests() {
        assert!(check_package(&links("quorate-raft", &["quorate-model"], &["openraft"])).is_empty());
        let mut chaos = links("quorate-chaos", &[], &[]);
        chaos.foreign_in_tests.insert("openraft".to_owned());
        assert_eq!(
            check_package(&chaos),
            ["quorate-chaos -> openraft: only quorate-raft may name it"]
        );
    }

    #[test]
    fn a_new_crate_must_be_placed() {
        assert_eq!(check_package(&links("quorate-redis", &[], &[])).len(), 1);
    }

    #[test]
    fn banned_crates_are_found_anywhere_in_the_graph() {
        assert!(check_graph(&names("serde v1.0.1\naws-lc-rs v1.2.3 (*)\n\n")).is_empty());
        assert_eq!(check_graph(&names("serde v1.0.1\nring v0.17.14 (*)\n")).len(), 1);
    }
}
