//! Runs sysbench and reads what it prints.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::load::{Load, Mode};
use super::path::Path;
use super::process::cpu_ns;
use crate::lab::Account;

/// Rows of the one table.
const ROWS: u32 = 10_000;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Statements, transaction control included.
    pub(super) queries: f64,
    /// Mean time of an event (a statement or a transaction), in microseconds.
    pub(super) mean_us: f64,
    /// CPU time of the process in the middle from the first statement on, in nanoseconds: logins are not counted.
    pub(super) cpu_ns: Option<u64>,
}

/// Makes and fills the table.
pub(super) fn prepare(path: &Path, account: &Account) -> Result<()> {
    let mut command = sysbench(path, account, "oltp_point_select");
    command.arg("prepare");
    finish(&mut command, || Ok(())).map(drop)
}

/// Runs a load for so many seconds.
pub(super) fn run(
    path: &Path,
    account: &Account,
    load: Load,
    mode: Mode,
    connections: usize,
    seconds: u64,
) -> Result<Run> {
    let mut command = sysbench(path, account, load.script());
    command
        .arg(format!("--threads={connections}"))
        .arg(format!("--time={seconds}"))
        .arg(format!("--db-ps-mode={}", mode.ps_mode()))
        .args(load.options())
        .arg("run");
    let mut before = None;
    let text = finish(&mut command, || {
        before = path.pid.map(cpu_ns).transpose()?;
        Ok(())
    })?;
    let spent = match (before, path.pid) {
        (Some(before), Some(pid)) => Some(cpu_ns(pid)?.saturating_sub(before)),
        _ => None,
    };
    let events = number(&text, "total number of events:")?;
    Ok(Run {
        queries: number(&text, "queries:")?,
        mean_us: number(&text, "sum:")? * 1000.0 / events.max(1.0),
        cpu_ns: spent,
    })
}

fn sysbench(path: &Path, account: &Account, script: &str) -> Command {
    let mut command = Command::new("sysbench");
    command
        .arg(script)
        .arg(format!("--mysql-host={}", path.host))
        .arg(format!("--mysql-port={}", path.port))
        .arg(format!("--mysql-user={}", account.user))
        // The only way that sysbench knows; the account is the lab's own, for play.
        .arg(format!("--mysql-password={}", account.password))
        .args(["--mysql-db=app", "--mysql-ssl=off", "--tables=1"])
        .arg(format!("--table-size={ROWS}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// Runs to the end; `started` is called when all connections stand and the first statement is due.
fn finish(command: &mut Command, mut started: impl FnMut() -> Result<()>) -> Result<String> {
    let mut child = command
        .spawn()
        .context("starting sysbench; if it is missing, run scripts/setup.sh --bench")?;
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().context("no stdout")?).lines() {
        let line = line?;
        if line.starts_with("Threads started!") {
            started()?;
        }
        text.push_str(&line);
        text.push('\n');
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("sysbench failed ({status}):\n{text}");
    }
    Ok(text)
}

/// The first number after `label`.
fn number(text: &str, label: &str) -> Result<f64> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(label))
        .with_context(|| format!("no `{label}` from sysbench:\n{text}"))?;
    let word = line.split_whitespace().next().context("nothing after the label")?;
    word.parse().with_context(|| format!("`{label} {word}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_found() {
        let text = "    queries:                             21508  (7168.02 per sec.)\n\
                    General statistics:\n    total number of events:              21508\n\
                    Latency (ms):\n         sum:                                 2985.21\n";
        assert!((number(text, "queries:").unwrap() - 21508.0).abs() < 0.1);
        assert!((number(text, "sum:").unwrap() - 2985.21).abs() < 0.001);
        assert!(number(text, "max:").is_err());
    }
}
