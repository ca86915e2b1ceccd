//! Whose data folder this is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Error;

const FILE: &str = "owner.json";

/// Whose folder it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    cluster: String,
    supervisor: String,
}

/// The folder, claimed until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims the folder for this supervisor; an unclaimed one is its own from now on.
    pub(super) fn take(config: &Config) -> Result<Self, Error> {
        let folder = |source| Error::DataFolder {
            data_dir: config.data_dir.clone(),
            source,
        };
        fs::create_dir_all(&config.data_dir).map_err(folder)?;
        let path = config.data_dir.join(FILE);
        let mut file = open(&path).map_err(folder)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::DataInUse {
            data_dir: config.data_dir.clone(),
        })?;
        let text = fs::read_to_string(&path).map_err(folder)?;
        let wanted = Owner {
            cluster: config.cluster.id.clone(),
            supervisor: config.id.clone(),
        };
        if text.is_empty() {
            write(&mut file, &config.data_dir, &wanted).map_err(folder)?;
            return Ok(Self { _lock: file });
        }
        let found: Owner = serde_json::from_str(&text).map_err(|source| Error::Owner { path, source })?;
        if found == wanted {
            return Ok(Self { _lock: file });
        }
        Err(Error::ForeignData {
            data_dir: config.data_dir.clone(),
            found: format!("{} of cluster `{}`", found.supervisor, found.cluster),
            wanted: format!("{} of cluster `{}`", wanted.supervisor, wanted.cluster),
        })
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn write(file: &mut File, folder: &Path, owner: &Owner) -> io::Result<()> {
    file.write_all(&serde_json::to_vec(owner)?)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}
