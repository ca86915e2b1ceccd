//! Finds the server's programs and refuses a version the protocol was not verified on.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::parse::version::{OLDEST_SUPPORTED, Version};

/// Places that Debian uses and that are missing from the `PATH` of unprivileged users.
const SYSTEM_DIRS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// The programs this crate runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// `mariadbd`.
    pub server: PathBuf,
    /// `mariadb-install-db`.
    pub install_db: PathBuf,
    /// `setpriv`, which ties the server's life to the agent's. Without it a killed agent outside a container leaves
    /// its server running behind a closed door.
    pub setpriv: Option<PathBuf>,
}

/// A program is missing or too old.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// Not found.
    #[error("{program} was not found; install Debian's package `{package}` or name its path in the configuration")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// It could not be run.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It did not say what it is in time.
    #[error("{} printed no version within {after:?}", program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// The limit given by the caller.
        after: Duration,
    },
    /// It is some other server.
    #[error("{} is no MariaDB server: it calls itself `{banner}`", program.display())]
    NotMariaDb {
        /// The program.
        program: PathBuf,
        /// Its own words.
        banner: String,
    },
    /// It is MariaDB, but not one whose crash recovery we can rely on.
    #[error(
        "{} is MariaDB {found}, but {OLDEST_SUPPORTED} or a later 10.11 is needed: older servers keep unacknowledged \
         writes after a crash (MDEV-33465); upgrade Debian's package `mariadb-server`",
        program.display()
    )]
    Unsupported {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: Version,
    },
}

impl Binaries {
    /// Looks along `PATH` and in the system's own directories.
    ///
    /// # Errors
    /// [`BinaryError::Missing`] names the Debian package to install.
    pub fn discover() -> Result<Self, BinaryError> {
        Ok(Self {
            server: find("mariadbd", "mariadb-server-core")?,
            install_db: find("mariadb-install-db", "mariadb-server-core")?,
            setpriv: find("setpriv", "util-linux").ok(),
        })
    }

    /// Asks the server program for its version and refuses one that is not supported.
    ///
    /// # Errors
    /// It cannot be run, is no MariaDB, or is outside the supported range.
    pub async fn check_version(&self, limit: Duration) -> Result<Version, BinaryError> {
        let program = || self.server.clone();
        let run = Command::new(&self.server)
            .args(["--no-defaults", "--version"])
            .kill_on_drop(true)
            .output();
        let output = timeout(limit, run)
            .await
            .map_err(|_| BinaryError::Silent {
                program: program(),
                after: limit,
            })?
            .map_err(|source| missing_or_broken(program(), source))?;
        let banner = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let found = Version::from_banner(&banner).ok_or_else(|| BinaryError::NotMariaDb {
            program: program(),
            banner: banner.clone(),
        })?;
        if found.is_supported() {
            Ok(found)
        } else {
            Err(BinaryError::Unsupported {
                program: program(),
                found,
            })
        }
    }
}

fn missing_or_broken(program: PathBuf, source: std::io::Error) -> BinaryError {
    if source.kind() == std::io::ErrorKind::NotFound {
        BinaryError::Missing {
            program: "mariadbd",
            package: "mariadb-server-core",
        }
    } else {
        BinaryError::Run { program, source }
    }
}

fn find(program: &'static str, package: &'static str) -> Result<PathBuf, BinaryError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| is_program(candidate))
        .ok_or(BinaryError::Missing { program, package })
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
