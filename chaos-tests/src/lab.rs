//! A lab of real servers, driven as a user drives it: through the binary and `lab.json`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

mod info;
mod status;

pub use info::{Account, Info, Node, Router, Supervisor};
pub use status::{ClusterStatus, NodeStatus, SupervisorStatus};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A lab that is torn down when it is dropped.
#[derive(Debug)]
pub struct Lab {
    binary: PathBuf,
    dir: PathBuf,
    /// Goes with the lab, unless somebody else started it.
    folder: Option<TempDir>,
}

/// The `quorate` that was built with the test or program that calls this.
///
/// # Errors
/// If it cannot be found where this one is.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    // Tests are in a folder `deps` beside it.
    let mut folders = own.ancestors().skip(1);
    let folder = folders.find(|folder| !folder.ends_with("deps"));
    Ok(folder.context("this program has no folder")?.join("quorate"))
}

impl Lab {
    /// Starts a lab of three supervisors, three nodes and one router, and returns when it is open for writes.
    ///
    /// # Errors
    /// If the lab does not come up.
    pub fn up(binary: &Path) -> Result<Self> {
        Self::up_with(binary, &[])
    }

    /// As [`Lab::up`], with further arguments of `quorate lab up`.
    ///
    /// # Errors
    /// If the lab does not come up.
    pub fn up_with(binary: &Path, arguments: &[&str]) -> Result<Self> {
        ensure!(
            binary.exists(),
            "no binary at {}: build it with `cargo build -p quorate`",
            binary.display()
        );
        let folder = tempfile::Builder::new().prefix("quorate-lab-").tempdir()?;
        let dir = folder.path().join("lab");
        let lab = Self {
            binary: binary.to_owned(),
            dir,
            folder: Some(folder),
        };
        let dir = lab.dir.display().to_string();
        let mut all = vec!["lab", "up", "--dir", dir.as_str(), "--detach"];
        all.extend_from_slice(arguments);
        let output = lab.run(&all)?;
        ensure!(
            output.status.success(),
            "`quorate {}` failed ({}):\n{}",
            all.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(lab)
    }

    /// A lab that runs already, and goes on when this is dropped.
    #[must_use]
    pub fn join(binary: &Path, dir: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            dir: dir.to_owned(),
            folder: None,
        }
    }

    /// The program that the lab runs.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The lab's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The present `lab.json`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn info(&self) -> Result<Info> {
        let path = self.dir.join("lab.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("parsing {}", path.display()))
    }

    /// Runs an operator's verb and returns what it printed.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        Command::new(&self.binary)
            .arg("--lab")
            .arg(&self.dir)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running quorate {}", arguments.join(" ")))
    }

    /// Runs an operator's verb that must succeed.
    ///
    /// # Errors
    /// If it fails; its standard error is in the text.
    pub fn must(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments)?;
        if !output.status.success() {
            bail!(
                "quorate {} failed ({}): {}{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What `quorate status --json` says of the cluster.
    ///
    /// # Errors
    /// If no supervisor answers.
    pub fn status(&self) -> Result<ClusterStatus> {
        let output = self.run(&["status", "--json"])?;
        status::parse(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Waits until the status satisfies `wanted`.
    ///
    /// # Errors
    /// If it does not within `limit`; the last status is in the text.
    pub fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&ClusterStatus) -> bool) -> Result<ClusterStatus> {
        let steps = limit.as_millis() / POLL.as_millis();
        let mut last = String::from("no answer");
        for _ in 0..=steps {
            match self.status() {
                Ok(status) if wanted(&status) => return Ok(status),
                Ok(status) => last = format!("{status:?}"),
                Err(error) => last = format!("{error:#}"),
            }
            std::thread::sleep(POLL);
        }
        bail!("{what}: not within {limit:?}; last seen: {last}")
    }

    /// Waits until the tier is open with every node healthy and in its place.
    ///
    /// # Errors
    /// If it is not within `limit`.
    pub fn wait_healthy(&self, limit: Duration) -> Result<ClusterStatus> {
        self.wait("every node healthy", limit, ClusterStatus::is_whole)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The folder goes with us, so whatever is left must be stopped first; there is nobody to tell of a failure.
        if self.folder.is_some() {
            let _ = self.run(&["lab", "down"]);
        }
    }
}
