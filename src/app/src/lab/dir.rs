//! The lab's folder: which file is where.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::output::Problem;

/// Longest folder name: unix sockets below it must stay within 107 bytes.
const DIR_MAX_BYTES: usize = 80;

/// A lab's folder, absolute.
#[derive(Debug, Clone)]
pub(crate) struct LabDir(PathBuf);

impl LabDir {
    /// Makes `dir` absolute; nothing is created.
    pub(crate) fn at(dir: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(dir).with_context(|| format!("resolving `{}`", dir.display()))?;
        let path = fs::canonicalize(&path).unwrap_or(path);
        if path.as_os_str().len() > DIR_MAX_BYTES {
            return Err(Problem::usage(
                format!(
                    "`{}` is too long a folder name for the unix sockets below it",
                    path.display()
                ),
                format!("choose one of at most {DIR_MAX_BYTES} bytes, for example --dir /tmp/lab"),
            )
            .into());
        }
        if path.to_str().is_none() {
            return Err(Problem::usage(
                format!("`{}` is not valid UTF-8", path.display()),
                "choose a folder with a plain name",
            )
            .into());
        }
        Ok(Self(path))
    }

    /// Creates the folder and its sub-folders, readable by this user only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        for dir in [
            self.0.clone(),
            self.pki(),
            self.secrets(),
            self.conf_dir(),
            self.0.join("data"),
            self.0.join("log"),
            self.0.join("run"),
        ] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .map_err(|error| {
                    Problem::new(
                        format!("cannot create `{}`", dir.display()),
                        "choose a folder that this user may write to: --dir DIR",
                    )
                    .because(error)
                })?;
        }
        Ok(())
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Who runs where.
    pub(crate) fn inventory(&self) -> PathBuf {
        self.0.join("lab.json")
    }

    /// How the lab was laid out.
    pub(crate) fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    /// Certificates and keys.
    pub(crate) fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// Passwords and tokens.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// One secret.
    pub(crate) fn secret(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    /// The configurations.
    pub(crate) fn conf_dir(&self) -> PathBuf {
        self.0.join("conf")
    }

    /// One process's configuration.
    pub(crate) fn conf(&self, id: &str) -> PathBuf {
        self.conf_dir().join(format!("{id}.yaml"))
    }

    /// One process's data.
    pub(crate) fn data(&self, id: &str) -> PathBuf {
        self.0.join("data").join(id)
    }

    /// A freshly initialised data directory that the nodes' are copied from.
    pub(crate) fn template(&self) -> PathBuf {
        self.data("template").join("data")
    }

    /// One process's log.
    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.0.join("log").join(format!("{id}.log"))
    }

    /// A server's error log.
    pub(crate) fn server_log(&self, id: &str) -> PathBuf {
        self.data(id).join("mariadbd.log")
    }

    /// Where the runner takes requests.
    pub(crate) fn control(&self) -> PathBuf {
        self.0.join("run").join("runner.sock")
    }

    /// A server's unix socket.
    pub(crate) fn socket(&self, id: &str) -> PathBuf {
        self.0.join("run").join(format!("{id}.sock"))
    }
}
