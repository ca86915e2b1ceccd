//! The lab and everything beside it that the paths need.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use tempfile::TempDir;

use super::haproxy::Haproxy;
use super::path::{Path, PathName};
use super::sysbench;
use crate::lab::{Account, Info, Lab};

/// Longest that the lab may take until every node is in its place.
const HEALTHY: Duration = Duration::from_secs(60);
/// More sessions than any load opens.
const SERVER_CONNECTIONS_MAX: u32 = 20_000;

/// A lab with a filled table, and every path to it.
#[derive(Debug)]
pub struct Stage<'a> {
    pub(super) lab: &'a Lab,
    pub(super) account: Account,
    pub(super) paths: Vec<Path>,
    wanted: Vec<PathName>,
    /// Runs as long as the stage stands.
    haproxy: Haproxy,
    folder: TempDir,
}

impl<'a> Stage<'a> {
    /// Fills the table and starts HAProxy. Only `wanted` paths are made ready.
    ///
    /// # Errors
    /// If the lab is not healthy, or sysbench or HAProxy is missing.
    pub async fn set(lab: &'a Lab, wanted: &[PathName]) -> Result<Self> {
        let status = lab.wait_healthy(HEALTHY)?;
        let info = lab.info()?;
        let primary = status.primary.context("no primary")?;
        let folder = tempfile::Builder::new().prefix("quorate-bench-").tempdir()?;
        let direct = info.node(&primary)?.direct.clone();
        let haproxy = Haproxy::start(folder.path(), &direct)?;
        let paths = paths(&info, &direct, &haproxy)?;
        let account = info.accounts.get("app").context("no account `app`")?.clone();
        for node in &info.mariadb {
            allow_connections(&info, node.socket.to_str().context("odd socket name")?).await?;
        }
        let stage = Self {
            lab,
            account,
            paths: chosen(paths, wanted),
            wanted: wanted.to_vec(),
            haproxy,
            folder,
        };
        let direct = Path::to(PathName::Direct, &direct, None)?;
        let mut conn = Conn::new(stage.options(&direct)).await?;
        conn.query_drop("CREATE DATABASE IF NOT EXISTS app").await?;
        conn.query_drop("DROP TABLE IF EXISTS app.sbtest1").await?;
        conn.disconnect().await?;
        sysbench::prepare(&direct, &stage.account)?;
        Ok(stage)
    }

    /// Finds the primary again after a failover: a machine that is far too busy may see one.
    pub(super) fn follow(&mut self) -> Result<()> {
        let primary = self.lab.wait_healthy(HEALTHY)?.primary.context("no primary")?;
        let info = self.lab.info()?;
        let direct = info.node(&primary)?.direct.clone();
        let haproxy = Haproxy::start(self.folder.path(), &direct)?;
        self.paths = chosen(paths(&info, &direct, &haproxy)?, &self.wanted);
        self.haproxy = haproxy;
        Ok(())
    }

    /// The paths, turned so that no one is always first.
    pub(super) fn turned(&self, round: usize) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self.paths.iter().collect();
        if let Some(turn) = round.checked_rem(paths.len()) {
            paths.rotate_left(turn);
        }
        paths
    }

    /// How a client reaches the server on `path`.
    pub(super) fn options(&self, path: &Path) -> Opts {
        OptsBuilder::default()
            .ip_or_hostname(&path.host)
            .tcp_port(path.port)
            .user(Some(&self.account.user))
            .pass(Some(&self.account.password))
            .prefer_socket(false)
            // Given, so that no connection begins by asking for them.
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(28_800))
            .into()
    }
}

fn chosen(mut paths: Vec<Path>, wanted: &[PathName]) -> Vec<Path> {
    paths.retain(|path| wanted.contains(&path.name));
    paths
}

fn paths(info: &Info, direct: &str, haproxy: &Haproxy) -> Result<Vec<Path>> {
    let router = info.routers.first().context("no router in the lab")?;
    Ok(vec![
        Path::to(PathName::Direct, direct, None)?,
        Path::to(PathName::Haproxy, &haproxy.address, Some(haproxy.pid()?))?,
        Path::to(PathName::Tunnel, &router.tunnel, router.pid)?,
        Path::to(PathName::Split, &router.rw, router.pid)?,
    ])
}

async fn allow_connections(info: &Info, socket: &str) -> Result<()> {
    let admin = info.accounts.get("admin").context("no account `admin`")?;
    let options = OptsBuilder::default()
        .socket(Some(socket))
        .user(Some(&admin.user))
        .pass(Some(&admin.password));
    let mut conn = Conn::new(options).await?;
    conn.query_drop(format!("SET GLOBAL max_connections = {SERVER_CONNECTIONS_MAX}"))
        .await?;
    conn.disconnect().await?;
    Ok(())
}
