//! Checks the server program and the data directory, and makes what is missing.

use std::path::Path;
use std::time::Duration;

use quorate_mariadb::Layout;
use quorate_mariadb::binaries::Binaries;
use quorate_mariadb::config::{ServerConfig, Tuning};
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{InstallError, InstallSpec, clone_initialised, prepare};
use quorate_mariadb::process::Launch;
use quorate_mariadb::secrets::Secrets;
use quorate_model::{ClusterId, Incarnation, NodeId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::config::Config;
use crate::error::Error;
use crate::machine::Durable;
use crate::memory::Memory;

/// `mariadbd --version`.
const VERSION_MAX: Duration = Duration::from_secs(20);
/// Initialising a data directory on a slow disk.
const INSTALL_MAX: Duration = Duration::from_secs(600);

/// What is known of the server before it is started.
pub(crate) struct Prepared {
    pub(crate) identity: Identity,
    pub(crate) launch: Launch,
    pub(crate) config: ServerConfig,
    pub(crate) durable: Durable,
    pub(crate) memory: Memory,
}

pub(crate) async fn prepare_server(config: &Config, secrets: &Secrets) -> Result<Prepared, Error> {
    let binaries = find_binaries(config).await?;
    let server = &config.server;
    let mut layout = Layout::below(&server.home);
    if let Some(socket) = &server.socket {
        layout = layout.with_socket(socket);
    }
    if !layout.socket_fits() {
        return Err(Error::SocketPath(layout.socket().to_owned()));
    }
    std::fs::create_dir_all(&server.home).map_err(|source| Error::Home {
        path: server.home.clone(),
        source,
    })?;
    let memory = Memory::new(
        &server.home,
        ClusterId::new(config.cluster.as_str()),
        NodeId::new(config.node.as_str()),
    );
    let datadir = layout.datadir();
    // Another node's directory is named as such before its missing memory is.
    if let Some(found) = Identity::read(&datadir).map_err(|error| Error::Install(error.into()))? {
        let (cluster, node) = (
            ClusterId::new(config.cluster.as_str()),
            NodeId::new(config.node.as_str()),
        );
        found
            .require(&datadir, &cluster, &node)
            .map_err(|error| Error::Install(error.into()))?;
    }
    let durable = memory.load_or_begin(datadir.exists()).map_err(Error::Memory)?;
    let identity = install(config, &binaries, secrets, &datadir).await?;
    let sizes = &server.sizes;
    let server_config = ServerConfig {
        layout: layout.clone(),
        server_id: identity.server_id,
        report_host: config.node.clone(),
        tuning: Tuning {
            buffer_pool_mib: sizes.buffer_pool_mib,
            redo_log_mib: sizes.redo_log_mib,
            connections_max: sizes.connections_max,
            binlog_mib: sizes.binlog_mib,
            binlog_kept: Duration::from_secs(u64::from(sizes.binlog_days) * 24 * 3600),
        },
        include: server.include.clone(),
    };
    let launch = Launch {
        binaries,
        layout,
        run_as: server.run_as.clone(),
    };
    Ok(Prepared {
        identity,
        launch,
        config: server_config,
        durable,
        memory,
    })
}

async fn find_binaries(config: &Config) -> Result<Binaries, Error> {
    let server = &config.server;
    let mut binaries = match (&server.mariadbd, &server.install_db) {
        (Some(mariadbd), Some(install_db)) => Binaries {
            server: mariadbd.clone(),
            install_db: install_db.clone(),
            setpriv: Binaries::discover().ok().and_then(|found| found.setpriv),
        },
        _ => Binaries::discover().map_err(Error::Binaries)?,
    };
    if let Some(mariadbd) = &server.mariadbd {
        binaries.server.clone_from(mariadbd);
    }
    if let Some(install_db) = &server.install_db {
        binaries.install_db.clone_from(install_db);
    }
    binaries.check_version(VERSION_MAX).await.map_err(Error::Binaries)?;
    Ok(binaries)
}

async fn install(config: &Config, binaries: &Binaries, secrets: &Secrets, datadir: &Path) -> Result<Identity, Error> {
    let spec = InstallSpec {
        datadir: datadir.to_owned(),
        identity: Identity {
            cluster: ClusterId::new(config.cluster.as_str()),
            node: NodeId::new(config.node.as_str()),
            incarnation: Incarnation::new(format!(
                "{}-{:016x}",
                config.node,
                StdRng::from_os_rng().random::<u64>()
            )),
            server_id: config.server.server_id,
        },
        secrets: secrets.clone(),
        run_as: config.server.run_as.clone(),
    };
    let installed = match config.server.template.clone() {
        Some(template) => {
            let copying = tokio::task::spawn_blocking(move || clone_initialised(&template, &spec));
            copying.await.unwrap_or_else(|error| {
                Err(InstallError::Files {
                    path: datadir.to_owned(),
                    source: std::io::Error::other(error),
                })
            })
        }
        None => prepare(binaries, &spec, INSTALL_MAX).await,
    };
    Ok(installed.map_err(Error::Install)?.identity().clone())
}
