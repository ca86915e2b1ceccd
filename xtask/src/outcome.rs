//! What a step found.

use std::ops::AddAssign;

/// Counts of single checks: tests of a test run, or the step itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The verdict of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Holds.
    Passed,
    /// Broken; each line names one place and its remedy.
    Failed(Vec<String>),
    /// Could not be looked at, and why.
    Skipped(String),
}

/// A verdict with what was counted and a remark for the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) tally: Tally,
    pub(crate) note: String,
}

impl Outcome {
    pub(crate) fn passed(note: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Passed,
            tally: Tally {
                passed: 1,
                ..Tally::default()
            },
            note: note.into(),
        }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Skipped(why.into()),
            tally: Tally {
                skipped: 1,
                ..Tally::default()
            },
            note: String::new(),
        }
    }

    /// Passed when there is nothing to complain about.
    pub(crate) fn from_findings(findings: Vec<String>, note: impl Into<String>) -> Self {
        if findings.is_empty() {
            return Self::passed(note);
        }
        Self {
            verdict: Verdict::Failed(findings),
            tally: Tally {
                failed: 1,
                ..Tally::default()
            },
            note: note.into(),
        }
    }

    /// A test run: the tally is its own, and an exit code that the tally does not explain counts as
    /// one failure more (a crash, a target that does not compile).
    pub(crate) fn from_tests(mut tally: Tally, exit_ok: bool) -> Self {
        if !exit_ok && tally.failed == 0 {
            tally.failed = 1;
        }
        let verdict = if tally.failed == 0 {
            Verdict::Passed
        } else {
            Verdict::Failed(vec![format!("{} failed; the output above names them", tally.failed)])
        };
        let note = format!(
            "{} passed, {} failed, {} skipped",
            tally.passed, tally.failed, tally.skipped
        );
        Self { verdict, tally, note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_exit_without_a_failed_test_is_one_failure() {
        let outcome = Outcome::from_tests(
            Tally {
                passed: 3,
                ..Tally::default()
            },
            false,
        );
        assert_eq!(
            outcome.tally,
            Tally {
                passed: 3,
                failed: 1,
                skipped: 0
            }
        );
        assert!(matches!(outcome.verdict, Verdict::Failed(_)));
    }

    #[test]
    fn findings_decide_the_verdict() {
        assert_eq!(Outcome::from_findings(Vec::new(), "x").verdict, Verdict::Passed);
        let broken = Outcome::from_findings(vec!["a".to_owned()], "x");
        assert_eq!(broken.tally.failed, 1);
    }
}
