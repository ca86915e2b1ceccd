//! The steps of the gate, cheap ones first so that a typo is told in a second.

mod clippy;
mod deny;
mod dependencies;
mod doctests;
mod file_size;
mod fmt;
mod function_size;
mod generated;
mod hygiene;
mod links;
mod purity;
mod rustdoc;
mod simulation;
mod tests;

use crate::context::Context;
use crate::outcome::Outcome;

/// Whether a step runs tests; those can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Static,
    Test,
}

/// One check.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) kind: Kind,
    pub(crate) run: fn(&Context) -> anyhow::Result<Outcome>,
}

const fn check(name: &'static str, about: &'static str, run: fn(&Context) -> anyhow::Result<Outcome>) -> Step {
    Step {
        name,
        about,
        kind: Kind::Static,
        run,
    }
}

const fn test(name: &'static str, about: &'static str, run: fn(&Context) -> anyhow::Result<Outcome>) -> Step {
    Step {
        name,
        about,
        kind: Kind::Test,
        run,
    }
}

/// In the order in which they run.
pub(crate) const ALL: &[Step] = &[
    check("fmt", "every file is formatted", fmt::run),
    check(
        "file-size",
        "no file over 800 lines, at most 10 % over 400",
        file_size::run,
    ),
    check(
        "function-size",
        "no function over 70 lines of code without a reason",
        function_size::run,
    ),
    check(
        "hygiene",
        "no to-do marks, debug prints or unexplained ignored tests",
        hygiene::run,
    ),
    check(
        "purity",
        "model and planner know no clock, chance, map order or IO",
        purity::run,
    ),
    check(
        "dependencies",
        "crates depend only along the arrows of the design",
        dependencies::run,
    ),
    check("links", "links between pages lead somewhere", links::run),
    check("deny", "licences, sources and banned crates", deny::run),
    check("clippy", "no warning in any target", clippy::run),
    check("rustdoc", "the documentation builds without a warning", rustdoc::run),
    check("generated", "docs/reference is what the code generates", generated::run),
    test("tests", "unit and integration tests, real servers included", tests::run),
    test("doctests", "the examples in the documentation run", doctests::run),
    test(
        "simulation",
        "seeded schedules of faults in the deterministic simulation",
        simulation::run,
    ),
];

/// Names of all steps, for the command line.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|step| step.name).collect()
}
