//! Runs the chosen steps in order, goes on after a failure, and reports all of them at the end.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use crate::Selection;
use crate::context::Context;
use crate::outcome::{Outcome, Tally, Verdict};
use crate::steps::{self, Kind, Step};
use crate::stopwatch::Stopwatch;

/// A step that has run.
struct Done {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// True when no step failed. `closing_line` ends the report with the sum of all checks.
pub(crate) fn run(context: &Context, selection: &Selection, closing_line: bool) -> anyhow::Result<bool> {
    let mut done = Vec::new();
    for step in steps::ALL.iter().filter(|step| chosen(step, selection)) {
        if !selection.json {
            writeln!(io::stdout(), "\n==> {}: {}", step.name, step.about)?;
        }
        let watch = Stopwatch::start();
        let outcome = (step.run)(context)
            .unwrap_or_else(|error| Outcome::from_findings(vec![format!("{error:#}")], "could not run"));
        let entry = Done {
            name: step.name,
            outcome,
            took: watch.elapsed(),
        };
        if !selection.json {
            report_step(&entry)?;
        }
        done.push(entry);
    }
    if selection.json {
        writeln!(io::stdout(), "{:#}", document(&done))?;
    } else {
        report_summary(&done, closing_line)?;
    }
    Ok(!done
        .iter()
        .any(|entry| matches!(entry.outcome.verdict, Verdict::Failed(_))))
}

/// Prints the steps.
pub(crate) fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for step in steps::ALL {
        writeln!(out, "{:<14} {}", step.name, step.about)?;
    }
    Ok(())
}

fn chosen(step: &Step, selection: &Selection) -> bool {
    if selection.only.is_empty() {
        return !(selection.skip_tests && step.kind == Kind::Test);
    }
    selection.only.iter().any(|name| name == step.name)
}

fn report_step(entry: &Done) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Verdict::Failed(findings) = &entry.outcome.verdict {
        for finding in findings {
            writeln!(out, "    {finding}")?;
        }
    }
    writeln!(out, "    {}", verdict_line(entry))
}

fn report_summary(done: &[Done], closing_line: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\nSummary")?;
    for entry in done {
        writeln!(out, "  {:<14} {}", entry.name, verdict_line(entry))?;
    }
    if closing_line {
        let sum = sum(done);
        writeln!(
            out,
            "\n{} passed, {} failed, {} skipped",
            sum.passed, sum.failed, sum.skipped
        )?;
    }
    Ok(())
}

fn verdict_line(entry: &Done) -> String {
    let word = match &entry.outcome.verdict {
        Verdict::Passed => "ok".to_owned(),
        Verdict::Failed(findings) => format!("FAILED ({} finding(s))", findings.len()),
        Verdict::Skipped(why) => format!("skipped: {why}"),
    };
    let note = if entry.outcome.note.is_empty() {
        String::new()
    } else {
        format!("  {}", entry.outcome.note)
    };
    format!("{word}  {:.1} s{note}", entry.took.as_secs_f64())
}

fn sum(done: &[Done]) -> Tally {
    let mut sum = Tally::default();
    for entry in done {
        sum += entry.outcome.tally;
    }
    sum
}

fn document(done: &[Done]) -> serde_json::Value {
    let steps: Vec<_> = done
        .iter()
        .map(|entry| {
            let (verdict, details) = match &entry.outcome.verdict {
                Verdict::Passed => ("passed", Vec::new()),
                Verdict::Failed(findings) => ("failed", findings.clone()),
                Verdict::Skipped(why) => ("skipped", vec![why.clone()]),
            };
            json!({
                "name": entry.name,
                "verdict": verdict,
                "details": details,
                "note": entry.outcome.note,
                "duration_ms": u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    let sum = sum(done);
    json!({ "version": 1, "steps": steps, "passed": sum.passed, "failed": sum.failed, "skipped": sum.skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, outcome: Outcome) -> Done {
        Done {
            name,
            outcome,
            took: Duration::from_millis(1500),
        }
    }

    #[test]
    fn the_document_names_every_step_and_sums_the_tally() {
        let entries = [
            done("fmt", Outcome::passed("")),
            done("deny", Outcome::skipped("not installed")),
            done("purity", Outcome::from_findings(vec!["a.rs:1: x".to_owned()], "1 file")),
        ];
        let document = document(&entries);
        assert_eq!(document["steps"][2]["details"][0], "a.rs:1: x");
        assert_eq!(document["steps"][0]["duration_ms"], 1500);
        assert_eq!(
            (&document["passed"], &document["failed"], &document["skipped"]),
            (&json!(1), &json!(1), &json!(1))
        );
    }

    #[test]
    fn skip_tests_leaves_out_test_steps_unless_named() {
        let test_step = steps::ALL
            .iter()
            .find(|step| step.kind == Kind::Test)
            .expect("there are test steps");
        let mut selection = Selection {
            only: Vec::new(),
            skip_tests: true,
            json: false,
        };
        assert!(!chosen(test_step, &selection));
        selection.only.push(test_step.name.to_owned());
        assert!(chosen(test_step, &selection));
    }
}
