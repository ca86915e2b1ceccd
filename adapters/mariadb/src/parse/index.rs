//! `binlog.index` and `relay.index`: the log files in use, oldest first, one name a line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::LogError;

/// The files that an index names, as absolute paths; empty if there is no index yet.
///
/// # Errors
/// The index cannot be read.
pub fn log_files(index: &Path) -> Result<Vec<PathBuf>, LogError> {
    let text = match fs::read_to_string(index) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(LogError::Read {
                path: index.to_owned(),
                source,
            });
        }
    };
    let dir = index.parent().unwrap_or_else(|| Path::new("."));
    // Names are relative to the data directory, which is where the index is; `join` keeps absolute ones.
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| dir.join(line))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("relay.index");
        assert!(log_files(&index).unwrap().is_empty());
        fs::write(&index, "./relay.000002\n/elsewhere/relay.000003\n\n").unwrap();
        let files = log_files(&index).unwrap();
        assert_eq!(
            files,
            [
                dir.path().join("./relay.000002"),
                PathBuf::from("/elsewhere/relay.000003")
            ]
        );
    }
}
