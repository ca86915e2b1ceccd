//! The split, put together.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use quorate_api::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::primary::OpenPrimary;
use super::serve::Split;
use crate::config::{Config, Live, ServiceAccount};
use crate::core::connections::Connections;
use crate::core::hold::Hold;
use crate::core::metrics::Metrics;
use crate::core::route::Route;
use crate::error::Error;
use crate::mysql::auth::accounts::{Accounts, Source, accounts};
use crate::mysql::auth::client_tls::ClientTls;
use crate::mysql::auth::credentials::Credentials;
use crate::mysql::auth::front::Front;
use crate::mysql::auth::proxy_protocol::Proxies;
use crate::mysql::auth::service::ServiceLogin;
use crate::mysql::door::Visitor;
use crate::mysql::fleet::pool::Pool;
use crate::mysql::fleet::positions::Fleet;
use crate::mysql::fleet::registry::Registry;
use crate::mysql::recover::resolve::{Limits, Resolver};
use crate::mysql::stats::digests::{DIGESTS_MAX_DEFAULT, Digests};
use crate::mysql::stats::slow::SlowStatements;
use crate::mysql::wire::capabilities::Capabilities;

/// utf8mb4_general_ci.
const COLLATION: u8 = 45;
/// Most bytes of binlog that are read for one batch of lost statements: what a primary writes in several seconds.
const SCAN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What the split needs of the router around it.
pub(crate) struct Around<'a> {
    pub(crate) visitor: &'a Arc<Visitor>,
    pub(crate) routes: &'a watch::Receiver<Route>,
    pub(crate) connections: &'a Arc<Connections>,
    pub(crate) hold: &'a Arc<Hold>,
    pub(crate) metrics: &'a Arc<Metrics>,
    pub(crate) fleet: &'a Arc<Fleet>,
    pub(crate) registry: &'a Arc<Registry>,
    pub(crate) config: &'a Live,
    pub(crate) clock: Clock,
    /// Everything but clients.
    pub(crate) tasks: &'a TaskTracker,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) stopping: &'a CancellationToken,
    pub(crate) stopped: &'a CancellationToken,
}

/// What the configuration names for receiving clients, read once so that a wrong path is told at the start.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    tls: Option<Arc<ClientTls>>,
    credentials: Option<Credentials>,
}

impl ClientFiles {
    /// Reads them.
    ///
    /// # Errors
    /// If one cannot be used.
    pub(crate) fn load(config: &Config) -> Result<Self, Error> {
        let wrong = |field: &str, problem: &dyn std::error::Error| Error::Config {
            field: field.to_owned(),
            problem: problem.to_string(),
        };
        let tls = config.client_tls.as_ref().map(ClientTls::load).transpose();
        let credentials = config.credentials_file.as_deref().map(Credentials::open).transpose();
        Ok(Self {
            tls: tls.map_err(|error| wrong("client_tls", &error))?.map(Arc::new),
            credentials: credentials.map_err(|error| wrong("credentials_file", &error))?,
        })
    }
}

/// Makes the split and starts what works for it.
pub(crate) fn start(config: &Config, service: &ServiceAccount, files: ClientFiles, around: &Around<'_>) -> Arc<Split> {
    let account = ServiceLogin {
        user: service.user.clone(),
        password_file: service.password_file.clone(),
    };
    let (accounts, keeper) = accounts();
    let source = Source {
        visitor: around.visitor.clone(),
        routes: around.routes.clone(),
        account: account.clone(),
        every: service.refresh(),
    };
    around.tasks.spawn(keeper.run(source, around.stop.clone()));
    let resolver = Resolver::start(
        OpenPrimary {
            visitor: around.visitor.clone(),
            fleet: around.fleet.clone(),
            account,
        },
        Limits {
            patience: config.limits.hold_wait(),
            scan_bytes_max: SCAN_BYTES_MAX,
        },
        around.tasks,
        around.stop.clone(),
    );
    let pool = Pool::new(
        around.config.clone(),
        around.connections.floor(),
        around.metrics.clone(),
        around.clock,
    );
    around.tasks.spawn(pool.clone().keep(around.stop.clone()));
    Arc::new(Split {
        visitor: around.visitor.clone(),
        routes: around.routes.clone(),
        connections: around.connections.clone(),
        hold: around.hold.clone(),
        metrics: around.metrics.clone(),
        clock: around.clock,
        fleet: around.fleet.clone(),
        pool,
        registry: around.registry.clone(),
        resolver,
        digests: Digests::new(config.threads, DIGESTS_MAX_DEFAULT),
        slow: SlowStatements::default(),
        replicas: Mutex::default(),
        front: Arc::new(front(config, accounts, files, around)),
        proxies: Proxies::of(config),
        config: around.config.clone(),
        turn: AtomicUsize::new(0),
        stopping: around.stopping.clone(),
        stopped: around.stopped.clone(),
    })
}

/// What logs clients in.
fn front(config: &Config, accounts: Accounts, files: ClientFiles, around: &Around<'_>) -> Front {
    let offered = Capabilities::offered(Capabilities::from_parts(u32::MAX, u32::MAX), false, config.local_infile);
    if let Some(tls) = &files.tls {
        around.tasks.spawn(tls.clone().keep_fresh(around.stop.clone()));
    }
    Front {
        accounts,
        credentials: files.credentials,
        tls: files.tls,
        offered: offered.bits(),
        collation: COLLATION,
        config: around.config.clone(),
    }
}
