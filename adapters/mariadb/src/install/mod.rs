//! Turns an empty directory into a server's data directory, or finds out that it already is one.
//!
//! The new directory is built beside its final place and renamed when complete, so a crash at any moment leaves either
//! nothing or a whole one. Its accounts and tables are created with the binlog off: every node is initialised alike and
//! owns no transaction yet. (A primary armed for semi-sync could not even create the replication account: nobody could
//! log in to acknowledge it.)

mod bootstrap;
mod clone;
mod run;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries::Binaries;
use crate::durable;
use crate::identity::{Identity, IdentityError};
use crate::owner;
use crate::secrets::Secrets;

pub(crate) use bootstrap::{AGENT_PRIVILEGES, ROUTER_PRIVILEGES, router_grants};
pub use clone::clone_initialised;

/// What to create, and for whom.
#[derive(Debug, Clone)]
pub struct InstallSpec {
    /// The final place of the data directory. Its parent must be on the same file system, hence not a mount point itself.
    pub datadir: PathBuf,
    /// Written into the new directory. Compared (cluster and node) with an existing one.
    pub identity: Identity,
    /// The accounts to create.
    pub secrets: Secrets,
    /// The operating system's user that the server will run as; `None` for our own.
    pub run_as: Option<String>,
}

/// What was found or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// The directory was created with the identity asked for.
    Created(Identity),
    /// The directory was there; this is its own identity (its incarnation and server id, not those asked for).
    Existing(Identity),
}

impl Installed {
    /// The identity that now holds.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        match self {
            Self::Created(identity) | Self::Existing(identity) => identity,
        }
    }
}

/// A data directory could not be provided.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It belongs to somebody else, or its marker is damaged.
    #[error("the data directory cannot be used")]
    Identity(#[from] IdentityError),
    /// There is something in it that we did not put there.
    #[error(
        "{} is not empty and was not created by an agent; nothing was touched. \
         Name an empty or missing directory below the volume's mount point",
        datadir.display()
    )]
    NotOurs {
        /// The data directory.
        datadir: PathBuf,
    },
    /// The file system refused.
    #[error("cannot prepare {}", path.display())]
    Files {
        /// What we were working on.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program could not be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed ({status}); its last words: {tail}")]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The end of its output. It never holds a password: those go in through standard input.
        tail: String,
    },
    /// A program took too long and was killed.
    #[error("{program} did not finish within {after:?}; is the disk overloaded?")]
    Timeout {
        /// The program.
        program: &'static str,
        /// The limit given by the caller.
        after: Duration,
    },
}

/// Provides the data directory: checks an existing one, or creates it.
///
/// # Errors
/// See [`InstallError`]. Whatever fails, an existing directory is left untouched and a new one does not appear.
pub async fn prepare(binaries: &Binaries, spec: &InstallSpec, limit: Duration) -> Result<Installed, InstallError> {
    if let Some(found) = existing(&spec.datadir, &spec.identity)? {
        return Ok(Installed::Existing(found));
    }
    let building = building_dir(spec)?;
    run::install_db(binaries, spec, &building, limit).await?;
    run::bootstrap(binaries, spec, &building, limit).await?;
    finish(spec, &building)?;
    Ok(Installed::Created(spec.identity.clone()))
}

/// The identity of a directory that is ours; `None` where one may be created.
fn existing(datadir: &Path, wanted: &Identity) -> Result<Option<Identity>, InstallError> {
    if let Some(found) = Identity::read(datadir)? {
        found.require(datadir, &wanted.cluster, &wanted.node)?;
        return Ok(Some(found));
    }
    match fs::read_dir(datadir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(InstallError::NotOurs {
            datadir: datadir.to_owned(),
        }),
        Ok(false) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InstallError::Files {
            path: datadir.to_owned(),
            source,
        }),
    }
}

/// A fresh directory beside the final one; leftovers of interrupted attempts are removed.
fn building_dir(spec: &InstallSpec) -> Result<PathBuf, InstallError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::Files { path, source }
    };
    let datadir = &spec.datadir;
    let (Some(parent), Some(name)) = (datadir.parent(), datadir.file_name()) else {
        return Err(InstallError::NotOurs {
            datadir: datadir.clone(),
        });
    };
    fs::create_dir_all(parent).map_err(failed(parent))?;
    owner::hand_over(spec.run_as.as_deref(), &[parent]).map_err(failed(parent))?;
    let prefix = format!("{}.new-", name.to_string_lossy());
    for entry in fs::read_dir(parent).map_err(failed(parent))? {
        let entry = entry.map_err(failed(parent))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_dir_all(entry.path()).map_err(failed(&entry.path()))?;
        }
    }
    let building = parent.join(format!("{prefix}{}", spec.identity.incarnation));
    fs::create_dir(&building).map_err(failed(&building))?;
    Ok(building)
}

/// Marks the directory as complete and puts it in place, in that order.
fn finish(spec: &InstallSpec, building: &Path) -> Result<(), InstallError> {
    spec.identity.write(building)?;
    sync_tree(building)
        .and_then(|()| fs::rename(building, &spec.datadir))
        .and_then(|()| durable::sync_parent(&spec.datadir))
        .map_err(|source| InstallError::Files {
            path: spec.datadir.clone(),
            source,
        })
}

/// Syncs every file and directory: the rename must not become durable before what it names.
fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    durable::sync_dir(dir)
}
