//! Where one server keeps its files: everything below one home directory.

use std::path::{Path, PathBuf};

/// The longest socket path that Linux accepts (`sun_path`, with its terminator).
const SOCKET_PATH_MAX: usize = 107;

/// Base name of the relay logs, which lie in the data directory.
pub(crate) const RELAY_LOG: &str = "relay";

/// The paths of one node's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    home: PathBuf,
    socket: PathBuf,
}

impl Layout {
    /// Everything below `home`, which must be on the volume that is meant to hold the data.
    #[must_use]
    pub fn below(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        let socket = home.join("mariadbd.sock");
        Self { home, socket }
    }

    /// The same, with the socket elsewhere: socket paths are limited to 107 bytes.
    #[must_use]
    pub fn with_socket(mut self, socket: impl Into<PathBuf>) -> Self {
        self.socket = socket.into();
        self
    }

    /// Holds all the others.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The data directory. It is created by renaming a finished one into place.
    #[must_use]
    pub fn datadir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The unix socket: the only way into the server.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether the socket's path is short enough for the kernel.
    #[must_use]
    pub fn socket_fits(&self) -> bool {
        self.socket.as_os_str().len() <= SOCKET_PATH_MAX
    }

    /// The generated configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.home.join("mariadbd.cnf")
    }

    /// The server's error log.
    #[must_use]
    pub fn error_log(&self) -> PathBuf {
        self.home.join("mariadbd.log")
    }

    /// The server's own pid file (informational: the agent holds a pidfd).
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.home.join("mariadbd.pid")
    }

    /// The list of binlog files, oldest first.
    #[must_use]
    pub fn binlog_index(&self) -> PathBuf {
        self.datadir().join("binlog.index")
    }

    /// The list of relay log files, oldest first.
    #[must_use]
    pub fn relay_index(&self) -> PathBuf {
        self.datadir().join(RELAY_LOG).with_extension("index")
    }
}
