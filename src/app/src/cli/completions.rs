//! `completions SHELL`.

use std::io::{self, Write as _};

use clap_complete::Shell;

use crate::output::Exit;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct CompletionsOptions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(options: &CompletionsOptions, command: &mut clap::Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "quorate", &mut script);
    // A reader that went away is no error.
    let _ = io::stdout().lock().write_all(&script);
    Ok(Exit::Ok)
}
