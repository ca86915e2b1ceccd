//! HAProxy in front of a server, set up for least cost: one thread, TCP mode, nothing logged.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Debian keeps servers in sbin, which is not on every user's path.
const PROGRAMS: [&str; 3] = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "haproxy"];
/// Connections at a time; two files each.
pub(super) const CONNECTIONS_MAX: u32 = 9_800;
/// Looks for a listening port.
const LOOKS: u32 = 200;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running HAProxy, killed when dropped.
#[derive(Debug)]
pub(super) struct Haproxy {
    child: Child,
    pub(super) address: String,
}

impl Haproxy {
    /// Starts one that forwards to `server`; its configuration goes to `folder`.
    pub(super) fn start(folder: &FilePath, server: &str) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("haproxy.cfg");
        std::fs::write(&config, configuration(&address, server))?;
        let child = spawn(&config)?;
        let mut started = Self { child, address };
        for _ in 0..LOOKS {
            if TcpStream::connect(&started.address).is_ok() {
                return Ok(started);
            }
            if let Some(status) = started.child.try_wait()? {
                bail!(
                    "HAProxy ended ({status}); try it by hand: haproxy -db -f {}",
                    config.display()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("HAProxy does not listen on {}", started.address)
    }

    pub(super) fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(self.child.id())?)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &PathBuf) -> Result<Child> {
    for program in PROGRAMS {
        let started = Command::new(program)
            .arg("-db")
            .arg("-f")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => return other.with_context(|| format!("starting {program}")),
        }
    }
    bail!("no HAProxy here: run scripts/setup.sh --bench")
}

/// Without delay is how HAProxy treats TCP anyway (`TCP_NODELAY` is set on both sides).
fn configuration(listen: &str, server: &str) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn {CONNECTIONS_MAX}\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         frontend clients\n  bind {listen}\n  default_backend servers\n\
         backend servers\n  server primary {server}\n"
    )
}
