//! The lab that all tests share, and the ways into it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::lab::{Info, Lab, Router, binary};
use quorate_chaos::nemesis;
use quorate_chaos::wire::{Login, Reply, Session, caps};
use quorate_router::ClientTls;

use crate::sidecar::Sidecar;

/// The database that tests use.
pub(crate) const DATABASE: &str = "compat";
/// The account that tests use.
pub(crate) const USER: &str = "compat";
/// Another account with fewer rights.
pub(crate) const GUEST: &str = "guest";
/// The password of both.
pub(crate) const PASSWORD: &str = "of no worth";
/// Longest wait for the tier to be whole again; far above what it takes, since machines are shared.
pub(crate) const RECOVERY: Duration = Duration::from_secs(90);

/// A lab with accounts and a database.
pub(crate) struct World {
    /// Started by the first test that needs it; it goes before the lab does.
    secured: OnceLock<Sidecar>,
    pub(crate) lab: Lab,
}

impl World {
    /// Starts it, or joins the one that `QUORATE_LAB` names: one with two routers.
    pub(crate) fn up() -> Result<Self> {
        let binary = binary()?;
        let lab = match std::env::var_os("QUORATE_LAB") {
            Some(dir) => Lab::join(&binary, Path::new(&dir)),
            None => Lab::up_with(&binary, &["--routers", "2"])?,
        };
        let world = Self {
            secured: OnceLock::new(),
            lab,
        };
        world.lab.wait_healthy(RECOVERY)?;
        let mut admin = world.admin()?;
        for sql in [
            "CREATE DATABASE IF NOT EXISTS compat CHARACTER SET utf8mb4",
            "CREATE OR REPLACE USER compat@localhost IDENTIFIED BY 'of no worth'",
            "CREATE OR REPLACE USER guest@localhost IDENTIFIED BY 'of no worth'",
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, \
             EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER ON compat.* TO compat@localhost",
            "GRANT SELECT ON compat.* TO guest@localhost",
        ] {
            admin.run(sql)?;
        }
        for node in &world.info()?.mariadb {
            world.on_server(
                &node.id,
                "SET GLOBAL max_allowed_packet = 134217728, log_bin_trust_function_creators = 1",
            )?;
        }
        Ok(world)
    }

    pub(crate) fn info(&self) -> Result<Info> {
        self.lab.info()
    }

    /// Router `r1` or `r2`.
    pub(crate) fn router(&self, id: &str) -> Result<Router> {
        Ok(self.info()?.router(id)?.clone())
    }

    /// Who leads.
    pub(crate) fn primary(&self) -> Result<String> {
        self.lab.status()?.primary.context("nobody leads")
    }

    /// The primary's `server_id`, as a server would say it.
    pub(crate) fn primary_id(&self) -> Result<String> {
        let primary = self.primary()?;
        Ok(self.on_server(&primary, "SELECT @@server_id")?.trim().to_owned())
    }

    /// The test's account at `address`.
    pub(crate) fn login(address: &str) -> Login {
        Login {
            address: address.to_owned(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            database: Some(DATABASE.to_owned()),
            caps: caps::DEPRECATE_EOF | caps::MULTI_STATEMENTS,
            collation: None,
        }
    }

    /// How to reach the split port.
    pub(crate) fn through(&self) -> Result<Login> {
        Ok(Self::login(&self.router("r1")?.rw))
    }

    /// A router that sends clients without TLS away.
    pub(crate) fn secured(&self) -> Result<&Sidecar> {
        if let Some(there) = self.secured.get() {
            return Ok(there);
        }
        let started = Sidecar::start(self, "tls", |config| {
            config.client_tls = Some(ClientTls {
                cert: config.tls.cert.clone(),
                key: config.tls.key.clone(),
                ca: None,
                required: true,
            });
        })?;
        Ok(self.secured.get_or_init(|| started))
    }

    /// How to reach the primary without a router.
    pub(crate) fn around(&self) -> Result<Login> {
        let primary = self.primary()?;
        Ok(Self::login(&self.info()?.node(&primary)?.direct))
    }

    /// A session through the split port.
    pub(crate) fn session(&self) -> Result<Session> {
        Session::open(&self.through()?)
    }

    /// A session with the primary, without a router.
    pub(crate) fn direct(&self) -> Result<Session> {
        Session::open(&self.around()?)
    }

    /// A session of the account with every right, with the primary, without a router.
    pub(crate) fn admin(&self) -> Result<Session> {
        Session::open(&self.as_admin(self.around()?)?)
    }

    /// The same place for the account with every right.
    pub(crate) fn as_admin(&self, mut login: Login) -> Result<Login> {
        let info = self.info()?;
        let account = info.accounts.get("admin").context("no account `admin` in lab.json")?;
        login.user.clone_from(&account.user);
        login.password.clone_from(&account.password);
        login.database = None;
        Ok(login)
    }

    /// Tables and the like, made anew, and there on every server when this returns.
    pub(crate) fn make(&self, statements: &[&str]) -> Result<()> {
        // A test before may have killed one.
        self.lab.wait_healthy(RECOVERY)?;
        let mut session = self.direct()?;
        statements.iter().try_for_each(|sql| session.run(sql).map(drop))?;
        self.applied(&session.value("SELECT @@gtid_binlog_pos")?)
    }

    /// Waits until every replica has applied `position`.
    pub(crate) fn applied(&self, position: &str) -> Result<()> {
        for node in self.replicas()? {
            let waited = self.on_server(&node, &format!("SELECT MASTER_GTID_WAIT('{position}', 60)"))?;
            ensure!(waited.trim() == "0", "{node} does not get to {position}");
        }
        Ok(())
    }

    /// Runs the statements directly and, with everything made anew, through the router; every packet must be the same.
    pub(crate) fn same(&self, capabilities: u64, make: &[&str], statements: &[&str]) -> Result<()> {
        let mut replies = Vec::new();
        for mut login in [self.around()?, self.through()?] {
            self.make(make)?;
            login.caps = capabilities;
            let mut session = Session::open(&login)?;
            let all = statements.iter().map(|sql| session.query(sql));
            replies.push(all.collect::<Result<Vec<_>>>().with_context(|| login.address.clone())?);
        }
        let [around, through] = &replies[..] else {
            anyhow::bail!("two runs were made");
        };
        for ((sql, around), through) in statements.iter().zip(around).zip(through) {
            let sql: String = sql.chars().take(200).collect();
            ensure!(
                around.comparable() == through.comparable(),
                "{sql}{}",
                difference(around, through)
            );
        }
        Ok(())
    }

    /// A client at a server's own socket, as the account with every right.
    pub(crate) fn client(&self, node: &str) -> Result<Command> {
        let info = self.info()?;
        let account = info.accounts.get("admin").context("no account `admin` in lab.json")?;
        let mut command = Command::new("mariadb");
        command
            .args(["--no-defaults", "--skip-column-names", "--batch", "--unbuffered"])
            .arg("--socket")
            .arg(&info.node(node)?.socket)
            .arg("--user")
            .arg(&account.user)
            .env("MYSQL_PWD", &account.password)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Runs statements on a server itself; what it printed.
    pub(crate) fn on_server(&self, node: &str, sql: &str) -> Result<String> {
        let output = self.client(node)?.args(["-e", sql]).output()?;
        ensure!(
            output.status.success(),
            "{node}: {sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The nodes that do not lead.
    pub(crate) fn replicas(&self) -> Result<Vec<String>> {
        let primary = self.primary()?;
        let nodes = self.info()?.mariadb.into_iter().map(|node| node.id);
        Ok(nodes.filter(|id| *id != primary).collect())
    }

    /// Kills the primary and waits until another one is open.
    pub(crate) fn fail_over(&self) -> Result<()> {
        self.lab.wait_healthy(RECOVERY)?;
        let before = self.lab.status()?;
        nemesis::kill_server(&self.lab, before.primary.as_deref().context("nobody leads")?)?;
        self.open_after(before.epoch)
    }

    /// Waits until an epoch later than `epoch` is open.
    pub(crate) fn open_after(&self, epoch: u64) -> Result<()> {
        self.lab
            .wait("another primary", RECOVERY, |status| {
                status.phase == "open" && status.epoch > epoch
            })
            .map(drop)
    }

    /// Replaces pieces of a router's configuration while it serves; the text that it had.
    pub(crate) fn reconfigure(&self, router: &str, pieces: &[(&str, &str)]) -> Result<String> {
        let path = self.configuration(router);
        let before = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut after = before.clone();
        for (old, new) in pieces {
            ensure!(after.matches(old).count() == 1, "not once in {}: {old}", path.display());
            after = after.replace(old, new);
        }
        std::fs::write(&path, after)?;
        nemesis::reload_router(&self.lab, router)?;
        Ok(before)
    }

    /// Undoes [`Self::reconfigure`].
    pub(crate) fn restore(&self, router: &str, before: &str) -> Result<()> {
        std::fs::write(self.configuration(router), before)?;
        nemesis::reload_router(&self.lab, router)
    }

    fn configuration(&self, router: &str) -> PathBuf {
        self.lab.dir().join("conf").join(format!("{router}.yaml"))
    }

    /// A file of the tests, in the lab's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.lab.dir().join(name)
    }
}

/// A process that ends with its owner.
pub(crate) struct Helper(pub(crate) Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where two replies part, in few words.
pub(crate) fn difference(around: &Reply, through: &Reply) -> String {
    let (ours, theirs) = (around.comparable(), through.comparable());
    let pairs = ours.iter().zip(&theirs);
    let first = pairs.into_iter().position(|(one, two)| one != two);
    let nth = first.unwrap_or_else(|| around.packets.len().min(through.packets.len()));
    let show = |reply: &Reply| {
        let said: String = format!("{:?}", reply.sets).chars().take(500).collect();
        let packet = reply.packets.get(nth).map(|packet| packet.escape_ascii().to_string());
        let packet: String = packet.unwrap_or_else(|| "none".to_owned()).chars().take(300).collect();
        format!("{said}\n            packet {nth} of {}: {packet}", reply.packets.len())
    };
    format!("\n  directly: {}\n  through:  {}", show(around), show(through))
}

/// A reply in few words.
pub(crate) fn brief(reply: &Reply) -> String {
    format!("{:?}", reply.sets).chars().take(500).collect()
}
