//! Where output goes: results to stdout, remarks to stderr; colours only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::problem;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The user's terminal, or the pipe in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Colours on stdout.
    pub(crate) color: bool,
    /// Whether stderr is a terminal, so that progress may be drawn.
    pub(crate) live: bool,
}

impl Console {
    /// By the user's wishes and what stdout is.
    pub(crate) fn new(choice: ColorChoice, json: bool) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
        };
        Self {
            json,
            color: color && !json,
            live: io::stderr().is_terminal() && !json,
        }
    }

    /// A line of the result. A reader that went away (`| head`) is no error.
    #[expect(clippy::unused_self, reason = "whoever prints must hold the console")]
    pub(crate) fn line(self, line: impl Display) {
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    /// The result as one JSON document.
    pub(crate) fn document(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.line(serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// One JSON document per line, for streams.
    pub(crate) fn record(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.line(serde_json::to_string(value)?);
        Ok(())
    }

    /// A remark that is no part of the result.
    #[expect(clippy::unused_self, reason = "whoever prints must hold the console")]
    pub(crate) fn remark(self, remark: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{remark}");
    }

    /// An error with its causes and what to do next.
    pub(crate) fn error(self, error: &anyhow::Error) {
        if self.json {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            let document = serde_json::json!({
                "error": error.to_string(), "causes": causes, "hints": problem::remedies(error),
            });
            self.remark(document);
            return;
        }
        self.remark(format_args!("error: {error}"));
        for cause in error.chain().skip(1) {
            self.remark(format_args!("  because: {cause}"));
        }
        for remedy in problem::remedies(error) {
            self.remark(format_args!("  hint: {remedy}"));
        }
    }
}
