//! Drives the built binary as a user would.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod bad_start;
mod command_line;
mod configuration;
mod generated;
mod lab;
mod operator;

use std::path::Path;

use assert_cmd::Command;

/// The binary, with nothing of the environment that could point it anywhere.
fn quorate() -> Command {
    let mut command = Command::cargo_bin("quorate").unwrap();
    for name in [
        "QUORATE_LAB",
        "QUORATE_API",
        "QUORATE_TOKEN_FILE",
        "QUORATE_CA",
        "QUORATE_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs it; returns exit code, stdout and stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = quorate().args(args).output().unwrap();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
