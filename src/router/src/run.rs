//! A router's life: check, take the addresses, serve, drain.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use quorate_api::tls::{PeerName, Role, Tls};
use quorate_model::RouteTable;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::handover::{Claimed, Identity, NotHanded, Offer, Predecessor, Successor, claim};
use crate::core::metrics::Metrics;
use crate::core::plane::Plane;
use crate::core::state_file::StateFile;
use crate::mysql::split::start::ClientFiles;
use crate::parts::{Parts, Start};
use crate::sockets::Sockets;
use crate::{Config, Error};

/// A router whose addresses are taken, but which serves nobody yet.
#[derive(Debug)]
pub struct Router {
    config: Config,
    tls: Arc<Tls>,
    files: ClientFiles,
    file: StateFile,
    table: Option<RouteTable>,
    metrics: Metrics,
    plane: Plane,
    sockets: Sockets,
    /// What the router that was taken over followed, and itself.
    handed: Option<RouteTable>,
    predecessor: Option<Predecessor>,
}

impl Router {
    /// Checks everything that can be checked and takes the addresses.
    ///
    /// # Errors
    /// If configuration, certificates, state file or addresses are unusable.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        Self::prepare(config, None).await
    }

    /// As [`Router::bind`], but takes over from the router that runs with this state file, if one does: it gives up its
    /// addresses and goes on with the clients that it has. To be run at once: nobody accepts clients until then.
    ///
    /// # Errors
    /// As of `bind`, or if the running one does not give anything away; then it goes on as before.
    pub async fn take_over(config: Config) -> Result<Self, Error> {
        config.check()?;
        let path = config.state_file.clone();
        let failed = |source: NotHanded| Error::TakeOver {
            path: path.clone(),
            source: source.into(),
        };
        let identity = Identity::new(config.router.clone(), config.cluster.clone());
        let Some(mut claimed) = claim(&config.state_file, &identity).await.map_err(failed)? else {
            return Self::bind(config).await;
        };
        let mut router = Self::prepare(config, Some(&mut claimed)).await?;
        let (handed, predecessor) = claimed.take().await.map_err(failed)?;
        router.handed = handed;
        router.predecessor = Some(predecessor);
        Ok(router)
    }

    async fn prepare(config: Config, claimed: Option<&mut Claimed>) -> Result<Self, Error> {
        config.check()?;
        let files = ClientFiles::load(&config)?;
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
        let sockets = Sockets::open(&config.listen, claimed).await?;
        Ok(Self {
            config,
            tls,
            files,
            file,
            table,
            metrics,
            plane,
            sockets,
            handed: None,
            predecessor: None,
        })
    }

    /// Its settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The addresses for writing and for reading, with the ports that were given out for port 0.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.sockets.rw.local_addr()?, self.sockets.ro.local_addr()?))
    }

    /// The address of the connection level, if there is one.
    #[must_use]
    pub fn tunnel_address(&self) -> Option<SocketAddr> {
        self.sockets.tunnel.as_ref().and_then(|tunnel| tunnel.local_addr().ok())
    }

    /// Address of `/healthz`, `/readyz` and `/metrics`, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.sockets.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// Serves until `shutdown`, then lets open connections end for `drain_ms`, and closes what is left. Ends as well when
    /// another process has taken over and the clients have left.
    pub async fn run(self, shutdown: CancellationToken) {
        let (_same, changes) = watch::channel(self.config.clone());
        self.run_changing(changes, shutdown).await;
    }

    /// As [`Router::run`], taking up changed settings on the way; those that cannot change while it runs are named in the
    /// log.
    pub async fn run_changing(self, changes: watch::Receiver<Config>, shutdown: CancellationToken) {
        raise_file_limit();
        let Self {
            config,
            tls,
            files,
            file,
            table,
            metrics,
            plane,
            sockets,
            handed,
            predecessor,
        } = self;
        let offer = open_offer(&config, &sockets);
        let (ports, admin) = sockets.split();
        let (parts, routes, tables) = Parts::new(&config, &tls, metrics, plane);
        parts.start_core(Start {
            routes,
            tables,
            file,
            on_disk: table,
            handed,
            predecessor,
        });
        parts.start_reload(changes);
        parts.start_monitor();
        parts.start_mysql(files, ports);
        if let Some(socket) = admin {
            parts.start_admin(socket);
        }
        parts.start_certificates(tls);
        let successor = tokio::select! {
            () = shutdown.cancelled() => None,
            successor = taken(offer) => Some(successor),
        };
        if let Some(successor) = successor {
            parts.hand_over(successor, &shutdown).await;
        }
        parts.end().await;
    }
}

/// Makes it possible to be taken over. Where that cannot be, the router serves all the same.
fn open_offer(config: &Config, sockets: &Sockets) -> Option<Offer> {
    let identity = Identity::new(config.router.clone(), config.cluster.clone());
    let opened = Offer::open(&config.state_file, identity).and_then(|mut offer| {
        sockets.offer(&mut offer)?;
        Ok(offer)
    });
    opened
        .inspect_err(|error| {
            tracing::warn!(%error, "no other process can take over from this one; a shorter path of `state_file` may help");
        })
        .ok()
}

async fn taken(offer: Option<Offer>) -> Successor {
    match offer {
        Some(offer) => offer.taken().await,
        None => pending().await,
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
