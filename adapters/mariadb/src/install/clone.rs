//! A second data directory from a freshly initialised one, by copying it: quicker than initialising again.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::{InstallError, InstallSpec, Installed, building_dir, existing, finish};
use crate::identity::{IDENTITY_FILE, Identity};

/// Creates `spec.datadir` as a copy of `template`, a directory that [`super::prepare`] made with the same secrets and that no
/// server was ever started on (so it holds no transaction, no position and no log). The copy gets its own identity.
/// An existing directory is checked as in [`super::prepare`].
///
/// Blocking: call it where file work is allowed to block.
///
/// # Errors
/// See [`InstallError`]; a template with binlogs is refused as [`InstallError::NotOurs`].
pub fn clone_initialised(template: &Path, spec: &InstallSpec) -> Result<Installed, InstallError> {
    if let Some(found) = existing(&spec.datadir, &spec.identity)? {
        return Ok(Installed::Existing(found));
    }
    let pristine = Identity::read(template)?.is_some() && !template.join("binlog.index").exists();
    if !pristine {
        return Err(InstallError::NotOurs {
            datadir: template.to_owned(),
        });
    }
    let building = building_dir(spec)?;
    copy_tree(template, &building).map_err(|source| InstallError::Files {
        path: building.clone(),
        source,
    })?;
    finish(spec, &building)?;
    Ok(Installed::Created(spec.identity.clone()))
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    keep_owner(from, to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else if entry.file_name() != IDENTITY_FILE {
            fs::copy(entry.path(), &target)?;
            keep_owner(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn keep_owner(from: &Path, to: &Path) -> io::Result<()> {
    let (from, now) = (fs::metadata(from)?, fs::metadata(to)?);
    if (from.uid(), from.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    chown(to, Some(from.uid()), Some(from.gid()))
}
