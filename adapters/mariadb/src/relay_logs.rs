//! Makes what a replica received survive a power cut before anybody is told that it was received.
//!
//! The server flushes its relay log after every event (`sync_relay_log=1`) or leaves it to the system; a transaction has four
//! events or more. Here one flush serves everything that was written before it, so it is asked for once before
//! acknowledgements go out and before a position is reported. See docs/decisions/0014.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::durable::sync_dir;
use crate::layout::RELAY_LOG;

/// The relay logs of one data directory, opened as they come.
#[derive(Debug)]
pub struct RelayLogs {
    /// Asynchronous: behind a flush that hangs nothing waits but what may be given up.
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    datadir: PathBuf,
    /// By number.
    open: Vec<Log>,
    /// A flush failed: the system may have dropped what it could not write, and says so only once.
    failed: Option<String>,
}

#[derive(Debug)]
struct Log {
    listed: Listed,
    file: File,
    /// Another one follows it, and it was flushed since.
    complete: bool,
}

/// A file in the directory. Names come again after replication was started afresh; with the inode they tell files apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    number: u64,
    name: OsString,
    inode: u64,
}

impl RelayLogs {
    /// Of a data directory, which need not be there yet.
    #[must_use]
    pub fn of(datadir: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            state: Arc::new(Mutex::new(State {
                datadir,
                open: Vec::new(),
                failed: None,
            })),
        })
    }

    /// Returns once everything that the server had written to its relay logs before the call is on the disk. May be given up at
    /// any time; a flush that has begun goes on, and its failure counts.
    ///
    /// # Errors
    /// The file system refuses. If that was a flush, every later call fails too: only a restart of the agent, which has all
    /// relay logs applied first, makes the node trustworthy again.
    pub async fn make_durable(&self) -> io::Result<()> {
        let mut state = self.state.clone().lock_owned().await;
        tokio::task::spawn_blocking(move || state.make_durable())
            .await
            .map_err(io::Error::other)?
    }
}

impl State {
    fn make_durable(&mut self) -> io::Result<()> {
        if let Some(why) = &self.failed {
            return Err(io::Error::other(format!("an earlier flush failed: {why}")));
        }
        let came = self.take_up()?;
        let flushed = self.flush().and_then(|()| {
            // The server flushes its index, but not the entry of the file itself.
            if came { sync_dir(&self.datadir) } else { Ok(()) }
        });
        if let Err(error) = &flushed {
            tracing::error!(
                %error,
                "relay logs cannot be flushed: nothing is acknowledged until the agent is restarted; check the disk"
            );
            self.failed = Some(error.to_string());
        }
        flushed
    }

    /// Opens what is new and closes what is gone. Says whether something is new.
    fn take_up(&mut self) -> io::Result<bool> {
        let listed = list(&self.datadir)?;
        self.open.retain(|log| listed.contains(&log.listed));
        let mut came = false;
        for found in listed {
            if self.open.iter().any(|log| log.listed == found) {
                continue;
            }
            let file = match File::open(self.datadir.join(&found.name)) {
                Ok(file) => file,
                // Applied and deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let inode = file.metadata()?.ino();
            self.open.push(Log {
                listed: Listed { inode, ..found },
                file,
                complete: false,
            });
            came = true;
        }
        self.open.sort_by_key(|log| log.listed.number);
        Ok(came)
    }

    /// The server has closed a file before it begins the next, so each of the older ones needs one more flush at most.
    fn flush(&mut self) -> io::Result<()> {
        let newest = self.open.len().saturating_sub(1);
        for (at, log) in self.open.iter_mut().enumerate() {
            if !log.complete {
                log.file.sync_data()?;
                log.complete = at < newest;
            }
        }
        Ok(())
    }
}

fn list(datadir: &Path) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in datadir.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(number) = number(&name) {
            listed.push(Listed {
                number,
                inode: entry.ino(),
                name,
            });
        }
    }
    Ok(listed)
}

/// The number in a relay log's name; none if it is something else.
fn number(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_prefix(RELAY_LOG)?.strip_prefix('.')?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn complete(logs: &RelayLogs) -> Vec<(u64, bool)> {
        let state = logs.state.try_lock().unwrap();
        state.open.iter().map(|log| (log.listed.number, log.complete)).collect()
    }

    #[test]
    fn only_relay_logs_count() {
        assert_eq!(number(OsStr::new("relay.000017")), Some(17));
        for other in [
            "relay.index",
            "relay",
            "relay-log.info",
            "binlog.000001",
            "relay.",
            "relay.00001x",
        ] {
            assert_eq!(number(OsStr::new(other)), None, "{other}");
        }
    }

    #[tokio::test]
    async fn files_are_followed_as_they_come_go_and_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = |number: u32| dir.path().join(format!("relay.{number:06}"));
        let logs = RelayLogs::of(dir.path().to_owned());
        logs.make_durable().await.unwrap();
        assert_eq!(complete(&logs), []);
        fs::write(at(1), "one").unwrap();
        logs.make_durable().await.unwrap();
        assert_eq!(complete(&logs), [(1, false)]);
        fs::write(at(2), "two").unwrap();
        logs.make_durable().await.unwrap();
        assert_eq!(complete(&logs), [(1, true), (2, false)]);
        // Replication is started afresh. The old file is kept open elsewhere, so that its inode is not used again.
        let old = File::open(at(1)).unwrap();
        fs::remove_file(at(1)).unwrap();
        fs::remove_file(at(2)).unwrap();
        fs::write(at(1), "another one").unwrap();
        logs.make_durable().await.unwrap();
        assert_eq!(complete(&logs), [(1, false)]);
        drop(old);
    }

    #[tokio::test]
    async fn a_directory_that_is_missing_is_an_error_and_no_verdict() {
        let dir = tempfile::tempdir().unwrap();
        let datadir = dir.path().join("data");
        let logs = RelayLogs::of(datadir.clone());
        assert_eq!(logs.make_durable().await.unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(&datadir).unwrap();
        logs.make_durable().await.unwrap();
    }

    /// What cannot be flushed as a file, in the place of one.
    #[tokio::test]
    async fn after_a_flush_that_failed_nothing_is_durable_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let logs = RelayLogs::of(dir.path().to_owned());
        let unflushable = Path::new("/proc/self/status");
        std::os::unix::fs::symlink(unflushable, dir.path().join("relay.000001")).unwrap();
        logs.make_durable().await.unwrap_err();
        fs::remove_file(dir.path().join("relay.000001")).unwrap();
        let error = logs.make_durable().await.unwrap_err();
        assert!(error.to_string().contains("an earlier flush failed"), "{error}");
    }
}
