//! The servers' accounts, read through the router's own connection and kept until something newer is needed.
//!
//! ```text
//!   login ── find ──► the latest snapshot          no IO
//!         ── fresh ─► wants one read after now ──► Keeper (one task): reads, at most every 500 ms ──► snapshot
//! ```
//! A login that fails against the snapshot waits for a fresh one, so a changed password is known at the very next login.
//! Only the primary is asked, as only its word is final; a router that knows nothing yet takes a replica's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::pattern::Origin;
use super::service::{Service, ServiceError, ServiceLogin};
use crate::core::route::{Access, Route};
use crate::mysql::door::Visitor;

/// Least time between the beginnings of two reads: wrong passwords must not become queries at the servers.
const READ_EVERY_MIN: Duration = Duration::from_millis(500);
/// For one read, its login included.
const READ_MAX: Duration = Duration::from_secs(5);

/// The hashes, at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The servers' version, as they greet.
    pub(crate) version: String,
    /// By user, in the server's order; the anonymous ones under the empty name.
    accounts: HashMap<String, Vec<Arc<Account>>>,
    begun: Instant,
}

/// The latest snapshot, for everybody who logs in.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
}

/// Reads snapshots.
#[derive(Debug)]
pub(crate) struct Keeper {
    state: watch::Sender<State>,
    wanted: Arc<Notify>,
}

/// Where to read.
pub(crate) struct Source {
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) routes: watch::Receiver<Route>,
    pub(crate) account: ServiceLogin,
    /// How often to read when nobody asks.
    pub(crate) every: Duration,
}

#[derive(Debug, Clone, Default)]
struct State {
    snapshot: Option<Arc<Snapshot>>,
    failure: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Failure {
    begun: Instant,
    why: String,
    /// Trying again changes nothing until somebody acts.
    lasting: bool,
}

/// There is no snapshot of the age that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the servers' accounts cannot be read: {0}")]
pub(crate) struct Unread(String);

/// The two sides.
pub(crate) fn accounts() -> (Accounts, Keeper) {
    let state = watch::Sender::default();
    let wanted = Arc::new(Notify::new());
    let accounts = Accounts {
        state: state.subscribe(),
        wanted: wanted.clone(),
    };
    (accounts, Keeper { state, wanted })
}

impl Accounts {
    /// The latest snapshot; waits for the first.
    pub(crate) async fn any(&self, limit: Duration) -> Result<Arc<Snapshot>, Unread> {
        self.begun_after(None, limit).await
    }

    /// A snapshot whose reading began after now.
    pub(crate) async fn fresh(&self, limit: Duration) -> Result<Arc<Snapshot>, Unread> {
        self.begun_after(Some(Instant::now()), limit).await
    }

    async fn begun_after(&self, moment: Option<Instant>, limit: Duration) -> Result<Arc<Snapshot>, Unread> {
        let mut state = self.state.clone();
        let good = |state: &State| {
            let snapshot = state.snapshot.as_ref();
            snapshot
                .filter(|it| moment.is_none_or(|moment| it.begun >= moment))
                .cloned()
        };
        if let Some(snapshot) = good(&state.borrow()) {
            return Ok(snapshot);
        }
        let asked = moment.unwrap_or_else(Instant::now);
        let hopeless = |state: &State| state.failure.as_ref().is_some_and(|it| it.lasting && it.begun >= asked);
        self.wanted.notify_one();
        let waited = timeout(limit, state.wait_for(|state| good(state).is_some() || hopeless(state))).await;
        match waited {
            Ok(Ok(state)) => good(&state).ok_or_else(|| unread(&state)),
            Ok(Err(_)) => Err(Unread("this router is being stopped".to_owned())),
            Err(_) => Err(unread(&self.state.borrow())),
        }
    }
}

fn unread(state: &State) -> Unread {
    let why = state.failure.as_ref().map(|failure| failure.why.clone());
    Unread(why.unwrap_or_else(|| "no server has answered yet".to_owned()))
}

impl Snapshot {
    pub(crate) fn new(version: String, all: impl IntoIterator<Item = Account>, begun: Instant) -> Self {
        let mut accounts: HashMap<String, Vec<Arc<Account>>> = HashMap::new();
        for account in all {
            accounts
                .entry(account.user.clone())
                .or_default()
                .push(Arc::new(account));
        }
        for same in accounts.values_mut() {
            same.sort_by_key(|account| account.order());
        }
        Self {
            version,
            accounts,
            begun,
        }
    }

    /// The account that the server would take.
    pub(crate) fn find(&self, user: &str, origin: &Origin) -> Option<&Arc<Account>> {
        let first = |name: &str| {
            self.accounts
                .get(name)?
                .iter()
                .find(|account| account.fits(user, origin))
        };
        let both = [first(user), first("")];
        both.into_iter().flatten().min_by_key(|account| account.order())
    }
}

impl Keeper {
    /// Reads now and then, and whenever somebody needs it.
    pub(crate) async fn run(self, source: Source, stop: CancellationToken) {
        let mut connection = None;
        let mut told = None;
        loop {
            let begun = Instant::now();
            tokio::select! {
                () = stop.cancelled() => return,
                // The server that is being asked may never answer.
                () = source.next_epoch() => {
                    connection = None;
                    continue;
                }
                outcome = source.read(&mut connection, self.state.borrow().snapshot.is_none()) => {
                    self.publish(outcome, begun, &mut told);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(begun + source.every) => {}
                () = self.needed(&source, begun) => {}
            }
        }
    }

    /// Resolves when a read is wanted, or when a failed one may now succeed.
    async fn needed(&self, source: &Source, begun: Instant) {
        let mut routes = source.routes.clone();
        routes.mark_unchanged();
        if self.state.borrow().failure.is_some() {
            tokio::select! {
                () = sleep_until(begun + READ_EVERY_MIN) => {}
                _ = routes.changed() => {}
            }
            return;
        }
        self.wanted.notified().await;
        sleep_until(begun + READ_EVERY_MIN).await;
    }

    #[cfg(test)]
    pub(super) fn tell(&self, snapshot: Snapshot) {
        self.publish(Ok(snapshot), Instant::now(), &mut None);
    }

    fn publish(&self, outcome: Result<Snapshot, Failed>, begun: Instant, told: &mut Option<String>) {
        match outcome {
            Ok(snapshot) => {
                *told = None;
                self.state.send_replace(State {
                    snapshot: Some(Arc::new(snapshot)),
                    failure: None,
                });
            }
            Err(Failed { why, lasting }) => {
                if lasting && told.as_ref() != Some(&why) {
                    tracing::error!(
                        why,
                        "the servers' accounts cannot be read; only passwords known so far are accepted"
                    );
                    *told = Some(why.clone());
                }
                let failure = Failure { begun, why, lasting };
                self.state.send_modify(|state| state.failure = Some(failure));
            }
        }
    }
}

/// A read that yielded nothing.
struct Failed {
    why: String,
    lasting: bool,
}

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Self {
        let lasting = matches!(
            error,
            ServiceError::Password { .. } | ServiceError::Unknown { .. } | ServiceError::Query(_)
        );
        Self {
            why: chain(&error),
            lasting,
        }
    }
}

/// An error with its causes: it ends in a client's error message, which is all that its reader sees.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Source {
    /// Resolves when another epoch begins.
    async fn next_epoch(&self) {
        let mut routes = self.routes.clone();
        let epoch = routes.borrow().epoch();
        if routes.wait_for(|route| route.epoch() != epoch).await.is_err() {
            // The router stops, which the caller sees by itself.
            std::future::pending::<()>().await;
        }
    }

    async fn read(&self, connection: &mut Option<Kept>, replicas_too: bool) -> Result<Snapshot, Failed> {
        let route = self.routes.borrow().clone();
        let primary = route.writable().map(|endpoint| (endpoint, Access::Write));
        let replicas = route.readable().iter().map(|endpoint| (endpoint, Access::Read));
        let mut failed = Failed {
            why: "no primary is open".to_owned(),
            lasting: false,
        };
        for (endpoint, access) in primary.into_iter().chain(replicas.filter(|_| replicas_too)) {
            let kept = connection
                .take()
                .filter(|kept| kept.epoch == route.epoch() && kept.node == endpoint.node && !kept.service.is_broken());
            let kept = match kept {
                Some(kept) => Ok(kept),
                None => {
                    let opened =
                        Service::connect(&self.visitor, endpoint, route.epoch(), access, &self.account, READ_MAX);
                    opened.await.map(|service| Kept {
                        service,
                        epoch: route.epoch(),
                        node: endpoint.node.clone(),
                    })
                }
            };
            match kept {
                Ok(mut kept) => match snapshot(&mut kept.service).await {
                    Ok(snapshot) => {
                        *connection = Some(kept);
                        return Ok(snapshot);
                    }
                    Err(error) => failed = error.into(),
                },
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }
}

/// A connection from the last read.
struct Kept {
    service: Service,
    epoch: quorate_model::Epoch,
    node: quorate_model::NodeId,
}

async fn snapshot(service: &mut Service) -> Result<Snapshot, ServiceError> {
    let begun = Instant::now();
    let rows = service
        .rows("SELECT User, Host, Priv FROM mysql.global_priv", READ_MAX)
        .await?;
    let accounts = rows.iter().filter_map(|row| {
        let [Some(user), Some(host), Some(json)] = row.as_slice() else {
            return None;
        };
        Account::parse(&String::from_utf8_lossy(user), &String::from_utf8_lossy(host), json)
    });
    Ok(Snapshot::new(service.version().to_owned(), accounts, begun))
}
