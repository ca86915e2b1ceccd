//! The accounts and their passwords. A password never appears in `Debug`, in an error or in an argument list.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A password. `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// A password that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read the password file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Empty, or with characters that no MariaDB client can type.
    #[error("the password of {whose} must be 8 to 128 printable characters on one line")]
    Unusable {
        /// The account or the file it belongs to.
        whose: String,
    },
}

impl Password {
    /// Takes a password from memory.
    ///
    /// # Errors
    /// [`SecretError::Unusable`] unless it is 8 to 128 printable characters.
    pub fn new(text: impl Into<String>, whose: &str) -> Result<Self, SecretError> {
        let text = text.into();
        let length = text.chars().count();
        if !(8..=128).contains(&length) || text.chars().any(char::is_control) {
            return Err(SecretError::Unusable {
                whose: whose.to_owned(),
            });
        }
        Ok(Self(text))
    }

    /// Takes a password from a file; a trailing line break does not count.
    ///
    /// # Errors
    /// The file cannot be read, or its content is no usable password.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let text = fs::read_to_string(path).map_err(|source| SecretError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::new(text.trim_end_matches(['\n', '\r']), &path.display().to_string())
    }

    /// The text, for the one place that hands it to the server.
    #[must_use]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// An account on the server. Every account exists at `localhost` only: everybody comes through the agent's door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user name.
    pub user: String,
    /// Its password.
    pub password: Password,
}

/// The accounts that every node of a cluster is initialised with, identical on each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Used by the agent alone, over the unix socket.
    pub agent: Account,
    /// Used by the replicas to read the primary's binlog.
    pub replication: Account,
    /// For humans: everything except writing to a read-only server.
    pub admin: Account,
    /// For the application: everything inside database `app`.
    pub app: Account,
    /// Used by the routers themselves. Secrets of before routers had an account lack it; the doctor then says what to do.
    pub router: Option<Account>,
}

/// The account of the routers, whether there is a password for it or not.
pub(crate) const ROUTER_USER: &str = "quorate_router";

impl Secrets {
    /// Reads `agent`, `replication`, `admin`, `app` and, if it exists, `router` (one password a file) from a directory.
    ///
    /// # Errors
    /// Another file is missing, or the content of one is no usable password.
    pub fn from_dir(dir: &Path) -> Result<Self, SecretError> {
        let account = |file: &str, user: &str| {
            Password::from_file(&dir.join(file)).map(|password| Account {
                user: user.to_owned(),
                password,
            })
        };
        Ok(Self {
            agent: account("agent", "quorate_agent")?,
            replication: account("replication", "quorate_repl")?,
            admin: account("admin", "admin")?,
            app: account("app", "app")?,
            router: match account("router", ROUTER_USER) {
                Ok(router) => Some(router),
                Err(SecretError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        })
    }

    /// All accounts but the routers', under their usual user names.
    #[must_use]
    pub fn with_passwords(agent: Password, replication: Password, admin: Password, app: Password) -> Self {
        let account = |user: &str, password| Account {
            user: user.to_owned(),
            password,
        };
        Self {
            agent: account("quorate_agent", agent),
            replication: account("quorate_repl", replication),
            admin: account("admin", admin),
            app: account("app", app),
            router: None,
        }
    }

    /// With an account for the routers.
    #[must_use]
    pub fn with_router(mut self, password: Password) -> Self {
        self.router = Some(Account {
            user: ROUTER_USER.to_owned(),
            password,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let password = Password::new("correct horse", "test").unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }

    #[test]
    fn a_short_or_multiline_password_is_refused() {
        assert!(Password::new("short", "x").is_err());
        assert!(Password::new("long enough\nbut two lines", "x").is_err());
    }

    #[test]
    fn secrets_of_before_routers_had_an_account_are_read() {
        let dir = tempfile::tempdir().unwrap();
        for account in ["agent", "replication", "admin", "app"] {
            fs::write(dir.path().join(account), "long enough").unwrap();
        }
        assert_eq!(Secrets::from_dir(dir.path()).unwrap().router, None);
        fs::write(dir.path().join("router"), "short").unwrap();
        assert!(Secrets::from_dir(dir.path()).is_err());
        fs::write(dir.path().join("router"), "long enough").unwrap();
        assert_eq!(Secrets::from_dir(dir.path()).unwrap().router.unwrap().user, ROUTER_USER);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Secrets::from_dir(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/agent"), "{error}");
    }
}
