//! Where the repository is and how its tools are called.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;

/// Shared by all steps.
#[derive(Debug)]
pub(crate) struct Context {
    root: PathBuf,
    cargo: OsString,
    quiet_stdout: bool,
}

impl Context {
    /// `quiet_stdout` keeps stdout free for a JSON report: tools then write to stderr only.
    pub(crate) fn discover(quiet_stdout: bool) -> anyhow::Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .parent()
            .context("xtask lies inside the workspace")?
            .to_path_buf();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        Ok(Self {
            root,
            cargo,
            quiet_stdout,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn cargo_path(&self) -> &OsString {
        &self.cargo
    }

    /// A cargo command in the root of the workspace.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).args(args).stdin(Stdio::null());
        command
    }

    /// Runs with its output shown.
    pub(crate) fn run(&self, mut command: Command) -> anyhow::Result<ExitStatus> {
        if self.quiet_stdout {
            command.stdout(Stdio::from(io::stderr()));
        }
        command
            .status()
            .with_context(|| format!("starting {}", describe(&command)))
    }

    /// Runs with its output shown, and hands every line of its stdout to `line` as well.
    pub(crate) fn run_reading(&self, mut command: Command, mut line: impl FnMut(&str)) -> anyhow::Result<ExitStatus> {
        command.stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {}", describe(&command)))?;
        let stdout = child.stdout.take().context("stdout was asked for")?;
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            self.show(&bytes)?;
            line(String::from_utf8_lossy(&bytes).trim_end());
            bytes.clear();
        }
        Ok(child.wait()?)
    }

    fn show(&self, bytes: &[u8]) -> io::Result<()> {
        if self.quiet_stdout {
            return io::stderr().write_all(bytes);
        }
        io::stdout().write_all(bytes)
    }
}

/// The command as one could type it.
pub(crate) fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
