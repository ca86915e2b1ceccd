//! A router's life: check, take the addresses, serve, drain.

use std::net::SocketAddr;
use std::sync::Arc;

use quorate_api::tls::{PeerName, Role, Tls};
use quorate_model::RouteTable;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::core::listener::Port;
use crate::core::metrics::Metrics;
use crate::core::plane::Plane;
use crate::core::state_file::StateFile;
use crate::parts::Parts;
use crate::{Config, Error};

/// A router whose addresses are taken, but which serves nobody yet.
#[derive(Debug)]
pub struct Router {
    config: Config,
    tls: Arc<Tls>,
    file: StateFile,
    table: Option<RouteTable>,
    metrics: Metrics,
    plane: Plane,
    rw: TcpListener,
    ro: TcpListener,
    tunnel: Option<TcpListener>,
    admin: Option<TcpListener>,
}

/// Runs a router until `shutdown`.
///
/// # Errors
/// If it cannot start; see [`Error`]. Once it has started, nothing ends it but `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    Router::bind(config).await?.run(shutdown).await;
    Ok(())
}

impl Router {
    /// Checks everything that can be checked and takes the addresses.
    ///
    /// # Errors
    /// If configuration, certificates, state file or addresses are unusable.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        config.check()?;
        let tls = Tls::load(&config.tls).map_err(Error::Tls)?;
        let expected = PeerName {
            role: Role::Router,
            name: config.router.to_string(),
        };
        let found = tls.own_name().map_err(Error::Tls)?;
        if found != expected {
            return Err(Error::WrongCertificate {
                path: config.tls.cert.clone(),
                found: found.to_string(),
                expected: expected.to_string(),
            });
        }
        let metrics = Metrics::new().map_err(|error| Error::Config {
            field: "listen.admin".to_owned(),
            problem: format!("metrics cannot be set up: {error}"),
        })?;
        let (file, table) = StateFile::open(&config.state_file, &config.cluster)?;
        let plane = Plane::start(config.threads).map_err(Error::Threads)?;
        let rw = listen("rw", config.listen.rw).await?;
        let ro = listen("ro", config.listen.ro).await?;
        let tunnel = listen_if("tunnel", config.listen.tunnel).await?;
        let admin = listen_if("admin", config.listen.admin).await?;
        Ok(Self {
            config,
            tls,
            file,
            table,
            metrics,
            plane,
            rw,
            ro,
            tunnel,
            admin,
        })
    }

    /// The addresses for writing and for reading, with the ports that were given out for port 0.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.rw.local_addr()?, self.ro.local_addr()?))
    }

    /// The address of the connection level, if there is one.
    #[must_use]
    pub fn tunnel_address(&self) -> Option<SocketAddr> {
        self.tunnel.as_ref().and_then(|tunnel| tunnel.local_addr().ok())
    }

    /// Address of `/healthz`, `/readyz` and `/metrics`, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// Serves until `shutdown`, then lets open connections end for `drain_ms`, and closes what is left.
    pub async fn run(self, shutdown: CancellationToken) {
        raise_file_limit();
        let Self {
            config,
            tls,
            file,
            table,
            metrics,
            plane,
            rw,
            ro,
            tunnel,
            admin,
        } = self;
        let (parts, routes) = Parts::new(&config, &tls, metrics, plane, shutdown.clone());
        parts.start_core(&config, routes, file, table);
        let sockets = [(Port::Rw, Some(rw)), (Port::Ro, Some(ro)), (Port::Tunnel, tunnel)];
        let sockets = sockets
            .into_iter()
            .filter_map(|(port, socket)| socket.map(|socket| (port, socket)));
        parts.start_monitor();
        parts.start_mysql(&config, sockets);
        if let Some(socket) = admin {
            parts.start_admin(socket);
        }
        parts.start_certificates(tls);
        shutdown.cancelled().await;
        parts.end(config.limits.drain()).await;
    }
}

async fn listen(field: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::listen(field, address, source))
}

async fn listen_if(field: &'static str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, Error> {
    match address {
        Some(address) => listen(field, address).await.map(Some),
        None => Ok(None),
    }
}

/// Two files per client, while many systems start processes with a soft limit of 1024.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
}
