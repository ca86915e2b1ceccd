//! The end of the server's error log, for the error of a failed start.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the log is looked at.
const WINDOW_BYTES: u64 = 8 * 1024;
/// What the server writes first.
const STARTING: &str = "[Note] Starting MariaDB";
/// How many lines an error carries.
const LINES_MAX: usize = 4;

/// The last lines marked as errors, or the last lines at all.
pub(super) fn last_errors(log: &Path) -> String {
    let Ok(text) = window(log) else {
        return "(it cannot be read)".to_owned();
    };
    // Earlier starts wrote into the same log.
    let this_start = text.rfind(STARTING).and_then(|at| text.get(at..)).unwrap_or(&text);
    let lines: Vec<&str> = this_start.lines().filter(|line| !line.trim().is_empty()).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(|line| line.contains("[ERROR]")).collect();
    let chosen = if errors.is_empty() { &lines } else { &errors };
    let from = chosen.len().saturating_sub(LINES_MAX);
    chosen.iter().skip(from).copied().collect::<Vec<_>>().join(" | ")
}

fn window(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(WINDOW_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
