//! The read-only gate behind `make verify` and `make test`.
//!
//! ```text
//!   main (arguments) ──► verify (runs the steps, prints, sums) ──► steps/* (one check per file)
//!                                                                   │
//!                             context (cargo, root) ◄───────────────┤
//!                             source, comments (Rust files, lexed) ◄┘
//! ```
//!
//! A step looks at the tree and never changes it. Adding one means adding a file under `steps/` and a
//! line in [`steps::ALL`]; start reading there.

mod comments;
mod context;
mod outcome;
mod source;
mod steps;
mod stopwatch;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::context::Context;

/// Checks of the Quorate repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run every check of the gate; nothing is written outside the target directory.
    Verify(Selection),
    /// Run the gate and close with one line: `N passed, N failed, N skipped`.
    Test(Selection),
    /// List the steps and what each one holds.
    Steps,
}

/// Which steps to run and how to report them.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Run only this step; may be given more than once.
    #[arg(long, value_name = "STEP", value_parser = steps::names())]
    pub(crate) only: Vec<String>,
    /// Leave out the steps that run tests.
    #[arg(long)]
    pub(crate) skip_tests: bool,
    /// Report as one JSON document on stdout; the output of the tools goes to stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to be done when the terminal is gone.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything that was asked for holds.
fn run(verb: &Verb) -> anyhow::Result<bool> {
    match verb {
        Verb::Verify(selection) => verify::run(&Context::discover(selection.json)?, selection, false),
        Verb::Test(selection) => verify::run(&Context::discover(selection.json)?, selection, true),
        Verb::Steps => verify::list().map(|()| true).map_err(Into::into),
    }
}
