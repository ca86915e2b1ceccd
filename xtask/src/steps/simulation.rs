//! The deterministic simulation over its seeds, when it is a program of its own.

use cargo_metadata::{Metadata, MetadataCommand};

use super::tests::count_before;
use crate::context::Context;
use crate::outcome::{Outcome, Tally};

const PACKAGE: &str = "quorate-chaos";
const BINARY: &str = "sim";
const SEEDS: &str = "2000";

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let metadata = MetadataCommand::new()
        .cargo_path(context.cargo_path())
        .current_dir(context.root())
        .no_deps()
        .exec()?;
    if !has_binary(&metadata) {
        return Ok(Outcome {
            note: "runs among the tests".to_owned(),
            ..Outcome::from_tests(Tally::default(), true)
        });
    }
    let args = [
        "run",
        "--locked",
        "--package",
        PACKAGE,
        "--bin",
        BINARY,
        "--",
        "--seeds",
        SEEDS,
    ];
    let mut last_count = None;
    let status = context.run_reading(context.cargo(&args), |line| last_count = counts(line).or(last_count))?;
    Ok(Outcome::from_tests(
        last_count.unwrap_or_else(|| Tally {
            passed: 1,
            ..Tally::default()
        }),
        status.success(),
    ))
}

fn has_binary(metadata: &Metadata) -> bool {
    metadata
        .packages
        .iter()
        .filter(|package| package.name == PACKAGE)
        .flat_map(|package| &package.targets)
        .any(|target| target.is_bin() && target.name == BINARY)
}

fn counts(line: &str) -> Option<Tally> {
    Some(Tally {
        passed: count_before(line, "passed")?,
        failed: count_before(line, "failed")?,
        skipped: 0,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_closing_line_of_the_simulation_is_read() {
        assert_eq!(
            counts("1999 passed, 1 failed in 41 s"),
            Some(Tally {
                passed: 1999,
                failed: 1,
                skipped: 0
            })
        );
        assert_eq!(counts("seed 7 failed: repeat with --seed 7"), None);
    }
}
