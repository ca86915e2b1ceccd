//! Routers that tests start beside the lab's, with what only a start can change.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use quorate_api::pki::Authority;
use quorate_api::tls::Role;
use quorate_router::{Config, Listen};

use crate::world::{Helper, RECOVERY, World};

/// How often a process is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A router of its own id and ports, in the lab's cluster.
pub(crate) struct Sidecar {
    process: Helper,
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// `host:port` of the split port.
    pub(crate) rw: String,
    /// The authority that signed its certificate.
    pub(crate) authority: PathBuf,
}

impl Sidecar {
    /// Starts one that is configured as the first of the lab's, but for `change`.
    pub(crate) fn start(world: &World, id: &str, change: impl FnOnce(&mut Config)) -> Result<Self> {
        let dir = world.lab.dir();
        let mut config: Config = serde_saphyr::from_str(&fs::read_to_string(dir.join("conf/r1.yaml"))?)?;
        config.router = id.into();
        config.tls = Authority::load(&dir.join("pki"))?.issue(Role::Router, id, &[])?;
        config.state_file = dir.join("data").join(id).join("routes.json");
        let [rw, ro] = free_ports()?;
        config.listen = Listen {
            rw,
            ro,
            ..Listen::default()
        };
        change(&mut config);
        fs::create_dir_all(dir.join("data").join(id))?;
        let path = dir.join("conf").join(format!("{id}.yaml"));
        fs::write(&path, serde_saphyr::to_string(&config)?)?;
        let log = dir.join("log").join(format!("{id}.log"));
        let mut sidecar = Self {
            process: spawn(world.lab.binary(), &path, &log, false)?,
            binary: world.lab.binary().to_owned(),
            config: path,
            log,
            rw: rw.to_string(),
            authority: config.tls.ca,
        };
        for _ in 0..RECOVERY.as_millis() / POLL.as_millis() {
            if TcpStream::connect(rw).is_ok() {
                return Ok(sidecar);
            }
            let ended = sidecar.process.0.try_wait()?;
            ensure!(ended.is_none(), "{id} ended: {}", fs::read_to_string(&sidecar.log)?);
            thread::sleep(POLL);
        }
        bail!("{id} does not listen")
    }

    /// Starts its next version, which takes over; the one that ran goes on with the clients that it has.
    pub(crate) fn take_over(&mut self) -> Result<Helper> {
        let next = spawn(&self.binary, &self.config, &self.log, true)?;
        Ok(std::mem::replace(&mut self.process, next))
    }

    /// A line of what the system says of its memory, in KiB.
    pub(crate) fn memory_kib(&self, what: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        let figure = line
            .with_context(|| format!("no {what}"))?
            .trim()
            .trim_end_matches("kB");
        Ok(figure.trim().parse()?)
    }
}

/// How a process ended that must end by itself.
pub(crate) fn ended(process: &mut Helper) -> Result<ExitStatus> {
    for _ in 0..RECOVERY.as_millis() / POLL.as_millis() {
        if let Some(status) = process.0.try_wait()? {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
    bail!("process {} does not end", process.0.id())
}

fn spawn(binary: &Path, config: &Path, log: &Path, take_over: bool) -> Result<Helper> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(binary);
    command.args(["route", "--exit-with-parent", "--config"]).arg(config);
    if take_over {
        command.arg("--take-over");
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    Ok(Helper(child.context("starting a router")?))
}

/// Two that nobody listens on. Both are held until both are known, so that they differ.
fn free_ports() -> Result<[SocketAddr; 2]> {
    let any = || TcpListener::bind(("127.0.0.1", 0));
    let (one, other) = (any()?, any()?);
    Ok([one.local_addr()?, other.local_addr()?])
}
