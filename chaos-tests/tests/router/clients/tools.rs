//! Pinned clients of other languages, below the target folder.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// Of Maven, what gets a package; pinned as the packages are.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/// What a command prints; its errors fail the test.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {command:?}"))?;
    ensure!(
        output.status.success(),
        "{} printed\n{}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where clients are kept.
fn place(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("no target folder")?;
    let place = target.join("clients").join(name);
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// What was made, or the reason why not. A build server has the language and a way to its packages.
fn unless_missing<T>(client: &str, made: Result<T>) -> Result<Option<T>> {
    if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        return made
            .map(Some)
            .with_context(|| format!("{client} cannot be had; `scripts/setup.sh --dev` installs what it needs"));
    }
    if_at_hand(client, made)
}

/// What was made, or the reason why not, told aloud.
fn if_at_hand<T>(client: &str, made: Result<T>) -> Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) => {
            writeln!(std::io::stderr(), "\nSKIPPED: {client} cannot be had: {error:#}\n")?;
            Ok(None)
        }
    }
}

/// A Python with PyMySQL.
pub(super) fn python(sources: &Path) -> Result<Option<PathBuf>> {
    let place = place("python")?;
    let python = place.join("bin/python");
    let pinned = sources.join("python/requirements.txt");
    let make = || {
        let wanted = std::fs::read_to_string(&pinned)?;
        let version = output(Command::new(&python).args(["-c", "import pymysql; print(pymysql.__version__)"]));
        if version.is_ok_and(|version| wanted.trim() == format!("PyMySQL=={}", version.trim())) {
            return Ok(python.clone());
        }
        output(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        output(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(&pinned),
        )?;
        Ok(python.clone())
    };
    unless_missing("PyMySQL", make())
}

/// The script for Node, beside its modules.
pub(super) fn node(sources: &Path) -> Result<Option<PathBuf>> {
    let place = place("node")?;
    let make = || {
        let mut fresh = place.join("node_modules/mysql2").is_dir();
        for name in ["package.json", "package-lock.json", "run.js"] {
            let content = std::fs::read(sources.join("node").join(name))?;
            let there = place.join(name);
            fresh &= name == "run.js" || std::fs::read(&there).is_ok_and(|before| before == content);
            std::fs::write(there, content)?;
        }
        if !fresh {
            let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
            output(Command::new("npm").args(install).current_dir(&place))?;
        }
        Ok(place.join("run.js"))
    };
    unless_missing("Node's mysql2", make())
}

/// The program in Go. Debian 12's Go 1.19 builds this driver; the next one asks for 1.20, and the one before hangs when the
/// second of several statements fails.
pub(super) fn go(sources: &Path) -> Result<Option<PathBuf>> {
    let binary = place("go")?.join("compat");
    let make = || {
        let debian = Path::new("/usr/local/go/bin/go");
        let go = if Command::new("go").arg("version").output().is_ok() {
            Path::new("go")
        } else if debian.exists() {
            debian
        } else {
            bail!("there is no Go; install golang-go");
        };
        let mut build = Command::new(go);
        build
            .args(["build", "-o"])
            .arg(&binary)
            .arg(".")
            .env("GOTOOLCHAIN", "local");
        output(build.current_dir(sources.join("go")))?;
        Ok(binary.clone())
    };
    unless_missing("go-sql-driver", make())
}

/// Where Java finds the program and its driver.
pub(super) fn java(sources: &Path) -> Result<Option<OsString>> {
    let place = place("jdbc")?;
    let make = || {
        let pinned = std::fs::read_to_string(sources.join("jdbc/driver.txt"))?;
        let pinned = pinned.trim();
        let mut parts = pinned.split(':').skip(1);
        let (Some(name), Some(version)) = (parts.next(), parts.next()) else {
            bail!("no driver is named: {pinned}");
        };
        let driver = place.join(format!("{name}-{version}.jar"));
        if !driver.exists() {
            let mut get = Command::new("mvn");
            get.args(["-q", "-B", COPY]).arg(format!("-Dartifact={pinned}"));
            output(get.arg(format!("-DoutputDirectory={}", place.display())))?;
        }
        let path = std::env::join_paths([&place, &driver])?;
        let mut compile = Command::new("javac");
        compile.arg("-cp").arg(&path).arg("-d").arg(&place);
        output(compile.arg(sources.join("jdbc/Suite.java")))?;
        Ok(path)
    };
    // Its packages are the only ones that come from a place which a build server may not reach.
    if_at_hand("MariaDB Connector/J", make())
}
