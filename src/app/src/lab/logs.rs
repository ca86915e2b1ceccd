//! Logs of the lab's processes: bounded files, and their last lines for people.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// A log file is set aside as `.1` at this size, so that a lab left running for weeks fills no disk.
const FILE_MAX_BYTES: u64 = 8 << 20;

/// An appended, bounded log file.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
}

impl LogFile {
    /// Opens or creates it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
        })
    }

    /// Appends; begins a new file when this one is full.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size >= FILE_MAX_BYTES {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(&self.path)?;
        }
        self.file.write_all(bytes)?;
        self.size = self.size.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

/// The last lines of a log, at most `lines`.
pub(crate) fn tail(path: &Path, lines: usize) -> Vec<String> {
    const WINDOW_BYTES: u64 = 64 << 10;
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(WINDOW_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(WINDOW_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.iter()
        .skip(all.len().saturating_sub(lines))
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m1.log");
        let mut log = LogFile::open(&path).unwrap();
        log.append(&vec![b'x'; usize::try_from(FILE_MAX_BYTES).unwrap()])
            .unwrap();
        log.append(b"one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&path, 2), ["two", "three"]);
        assert!(path.with_extension("log.1").exists());
    }
}
