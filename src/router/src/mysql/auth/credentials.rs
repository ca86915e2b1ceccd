//! Passwords of users whose answers do not reveal enough: a JSON file `{"user": "password", …}`.
//!
//! Looked at again whenever it changed. Others on the machine must have no access to it.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use zeroize::Zeroizing;

use super::secret::Secret;

/// Largest file.
const FILE_MAX: u64 = 1024 * 1024;

/// The file and what it held when last looked at.
#[derive(Debug)]
pub(crate) struct Credentials {
    path: PathBuf,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    stamp: Stamp,
    secrets: HashMap<String, Secret>,
}

/// What changes with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

/// The file cannot be used.
#[derive(Debug, Error)]
#[error("`{}` (`credentials_file`) {why}", path.display())]
pub(crate) struct CredentialsError {
    path: PathBuf,
    why: String,
}

impl Credentials {
    /// Looks at the file.
    pub(crate) fn open(path: &Path) -> Result<Self, CredentialsError> {
        let credentials = Self {
            path: path.to_owned(),
            held: Mutex::new(None),
        };
        credentials.find("")?;
        Ok(credentials)
    }

    /// A user's password, if the file has one.
    pub(crate) fn find(&self, user: &str) -> Result<Option<Secret>, CredentialsError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = fs::metadata(&self.path).map_err(|error| self.wrong(format!("cannot be read: {error}")))?;
        let stamp = stamp(&found);
        if held.as_ref().is_none_or(|held| held.stamp != stamp) {
            let secrets = self.read(&found)?;
            *held = Some(Held { stamp, secrets });
        }
        Ok(held.as_ref().and_then(|held| held.secrets.get(user)).cloned())
    }

    fn read(&self, found: &Metadata) -> Result<HashMap<String, Secret>, CredentialsError> {
        if found.mode() & 0o007 != 0 {
            return Err(self.wrong("is open to everybody on this machine; chmod o= it".to_owned()));
        }
        if found.len() > FILE_MAX {
            return Err(self.wrong(format!("is larger than {FILE_MAX} bytes")));
        }
        let text = fs::read(&self.path).map_err(|error| self.wrong(format!("cannot be read: {error}")))?;
        let text = Zeroizing::new(text);
        // The parser's own words could quote a password.
        let parsed: HashMap<String, String> = serde_json::from_slice(&text).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            self.wrong(format!("is not JSON of the form {{\"user\": \"password\"}} ({at})"))
        })?;
        let secrets = parsed.into_iter().map(|(user, password)| {
            let password = Zeroizing::new(password.into_bytes());
            (user, Secret::password(password))
        });
        Ok(secrets.collect())
    }

    fn wrong(&self, why: String) -> CredentialsError {
        CredentialsError {
            path: self.path.clone(),
            why,
        }
    }
}

fn stamp(found: &Metadata) -> Stamp {
    Stamp {
        file: (found.dev(), found.ino()),
        changed: (found.ctime(), found.ctime_nsec()),
        size: found.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let (_dir, path) = file(r#"{"ann": "first password"}"#, 0o600);
        let credentials = Credentials::open(&path).unwrap();
        assert!(credentials.find("ann").unwrap().is_some() && credentials.find("bob").unwrap().is_none());
        fs::write(&path, r#"{"bob": "a longer password"}"#).unwrap();
        assert!(credentials.find("ann").unwrap().is_none() && credentials.find("bob").unwrap().is_some());
    }

    #[test]
    fn a_file_for_everybody_and_one_that_is_no_json_are_refused_without_quoting() {
        let (_dir, path) = file(r#"{"ann": "pw"}"#, 0o644);
        assert!(Credentials::open(&path).unwrap_err().to_string().contains("chmod"));
        let (_dir, path) = file(r#"{"ann": hunter2}"#, 0o600);
        let error = Credentials::open(&path).unwrap_err().to_string();
        assert!(error.contains("line 1") && !error.contains("hunter2"), "{error}");
    }
}
