//! What a process has used, by its own account.

use std::fs;

use anyhow::{Context as _, Result};

/// CPU time of all its threads, in nanoseconds. `/proc/PID/stat` counts in hundredths of a second, which is the time of
/// three hundred queries.
pub(super) fn cpu_ns(pid: i32) -> Result<u64> {
    let mut total = 0_u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))? {
        // A thread may end while we look.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let spent = text.split_whitespace().next().context("empty schedstat")?;
        total = total.saturating_add(spent.parse()?);
    }
    Ok(total)
}

/// Resident memory in KiB.
pub(super) fn resident_kib(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
