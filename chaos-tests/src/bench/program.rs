//! What the programs of measurements have in common: where the binary is, where the figures go, and how they end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::Report;
use crate::lab::binary;

/// Arguments of every program of measurements.
#[derive(Debug, clap::Args)]
pub struct Program {
    /// The binary under test; default: `quorate` beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the JSON goes; default: a file of the folder `bench` in the target folder.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Program {
    /// Measures, prints the table and writes the JSON, by default to `bench/{file}`: also of what was measured before a
    /// measurement failed. Success means that every target was met and that `measure` says so too.
    ///
    /// # Errors
    /// If a measurement fails or the JSON cannot be written.
    pub fn run(&self, file: &str, measure: impl AsyncFnOnce(&Path, &mut Report) -> Result<bool>) -> Result<ExitCode> {
        let built = binary()?;
        let target = built.ancestors().nth(2).context("this program has no target folder")?;
        let default_json = target.join("bench").join(file);
        let binary = self.binary.as_deref().unwrap_or(&built);
        let json = self.json.as_ref().unwrap_or(&default_json);

        let mut report = Report::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let measured = runtime.block_on(measure(binary, &mut report));
        report.write_json(json)?;
        say(&format!("{report}\nwritten to {}", json.display()));
        Ok(if measured? && report.holds() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Tells whoever waits what is going on.
#[expect(clippy::print_stdout, reason = "for people at a terminal")]
pub fn say(text: &str) {
    println!("{text}");
}
