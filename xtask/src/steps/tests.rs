//! Unit and integration tests, counted from what libtest prints.

use crate::context::Context;
use crate::outcome::{Outcome, Tally};

/// Programs that tests start as processes: the binary, and the agent alone. Built before any test runs, since `cargo test`
/// builds only its own package's binary, and examples only as tests.
const PROGRAMS: [&str; 8] = [
    "build",
    "--locked",
    "--package",
    "quorate",
    "--package",
    "quorate-agent",
    "--bins",
    "--examples",
];

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let build = context.run(context.cargo(&PROGRAMS))?;
    if !build.success() {
        return Ok(Outcome::from_tests(Tally::default(), false));
    }
    cargo_test(
        context,
        &[
            "test",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ],
    )
}

/// Runs `cargo` with `args` and sums its result lines.
pub(super) fn cargo_test(context: &Context, args: &[&str]) -> anyhow::Result<Outcome> {
    let mut tally = Tally::default();
    let status = context.run_reading(context.cargo(args), |line| {
        if let Some(counts) = result_line(line) {
            tally += counts;
        }
    })?;
    Ok(Outcome::from_tests(tally, status.success()))
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn result_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?;
    Some(Tally {
        passed: count_before(counts, "passed")?,
        failed: count_before(counts, "failed")?,
        skipped: count_before(counts, "ignored")?,
    })
}

/// The number in front of `word`.
pub(super) fn count_before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text
        .split([' ', ';', ',', '.'])
        .filter(|part| !part.is_empty())
        .collect();
    let at = words.iter().position(|candidate| *candidate == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn result_lines_are_summed_by_kind() {
        let ok = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.01s";
        assert_eq!(
            result_line(ok),
            Some(Tally {
                passed: 3,
                failed: 0,
                skipped: 1
            })
        );
        let bad = "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";
        assert_eq!(
            result_line(bad),
            Some(Tally {
                passed: 10,
                failed: 2,
                skipped: 0
            })
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(result_line("test raft::tests::one ... ok"), None);
        assert_eq!(result_line("running 3 tests"), None);
        assert_eq!(count_before("passed 3", "passed"), None);
    }
}
