//! The router's own connection to a server, for what it must know itself: accounts, positions, outcomes.

use std::path::PathBuf;
use std::time::Duration;

use quorate_model::{Endpoint, Epoch};
use thiserror::Error;
use tokio::time::timeout;
use zeroize::{Zeroize as _, Zeroizing};

use super::flags::{DEPRECATE_EOF, PHASE};
use super::login::{Accepted, Login, LoginError, login};
use super::rows::{QueryError, Row, query};
use super::secret::Secret;
use crate::core::route::Access;
use crate::mysql::door::{DoorError, DoorStream, Visitor};

/// utf8mb4_general_ci.
const COLLATION: u8 = 45;
/// Rows of up to 16 MiB.
const MAX_PACKET: u32 = 16 * 1024 * 1024;
/// ER_ACCESS_DENIED_ERROR.
const ACCESS_DENIED: u16 = 1045;

/// The account that the router itself uses.
#[derive(Debug, Clone)]
pub(crate) struct ServiceLogin {
    pub(crate) user: String,
    /// Holds one line; read at each login, so that it may be replaced at any time.
    pub(crate) password_file: PathBuf,
}

/// A logged-in connection. Dropped to close it.
#[derive(Debug)]
pub(crate) struct Service {
    stream: DoorStream,
    accepted: Accepted,
    broken: bool,
}

/// Why there is no such connection, or no answer on it.
#[derive(Debug, Error)]
pub(crate) enum ServiceError {
    /// The password cannot be read.
    #[error("cannot read `{}` (`service.password_file`): {why}", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No way to the server.
    #[error("{node}: the door {source}")]
    Door {
        /// Which node.
        node: String,
        /// Why.
        source: DoorError,
    },
    /// Servers initialised before routers had an account, or another password.
    #[error(
        "{node} does not know `{user}` with the password of `service.password_file`; \
         `quorate doctor` on that node names the statements that create the account ({server})"
    )]
    Unknown {
        /// Which node.
        node: String,
        /// As whom.
        user: String,
        /// The server's words.
        server: String,
    },
    /// The login failed in another way.
    #[error("{node}: the router's own login failed")]
    Login {
        /// Which node.
        node: String,
        /// Why.
        #[source]
        source: LoginError,
    },
    /// The query failed.
    #[error("the router's own query failed")]
    Query(#[from] QueryError),
    /// An earlier query was given up.
    #[error("the router's own connection was given up earlier")]
    Broken,
    /// It took too long.
    #[error("no answer to the router's own {what} within {limit:?}")]
    TooSlow {
        /// What took too long.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
}

impl ServiceLogin {
    /// The password, wiped when dropped.
    fn secret(&self) -> Result<Secret, ServiceError> {
        let failed = |why: String| ServiceError::Password {
            path: self.password_file.clone(),
            why,
        };
        let mut text = std::fs::read(&self.password_file).map_err(|error| failed(error.to_string()))?;
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        let line = Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        text.zeroize();
        if line.is_empty() {
            return Err(failed("it is empty".to_owned()));
        }
        Ok(Secret::password(line))
    }

    fn login(&self) -> Result<Login, ServiceError> {
        Ok(Login {
            user: self.user.clone(),
            database: None,
            capabilities: PHASE,
            collation: COLLATION,
            attributes: Vec::new(),
            max_packet: MAX_PACKET,
            secret: self.secret()?,
        })
    }
}

impl Service {
    /// Passes a door and logs in, within `limit` for the login.
    pub(crate) async fn connect(
        visitor: &Visitor,
        endpoint: &Endpoint,
        epoch: Epoch,
        access: Access,
        account: &ServiceLogin,
        limit: Duration,
    ) -> Result<Self, ServiceError> {
        let as_whom = account.login()?;
        let node = || endpoint.node.to_string();
        let passed = visitor.knock(endpoint, epoch, access).await;
        let mut stream = passed.map_err(|source| ServiceError::Door { node: node(), source })?;
        let accepted = timeout(limit, login(&mut stream, &as_whom, DEPRECATE_EOF)).await;
        match accepted {
            Ok(Ok(accepted)) => Ok(Self {
                stream,
                accepted,
                broken: false,
            }),
            Ok(Err(LoginError::Refused(server))) if server.code == ACCESS_DENIED => Err(ServiceError::Unknown {
                node: node(),
                user: account.user.clone(),
                server: server.to_string(),
            }),
            Ok(Err(source)) => Err(ServiceError::Login { node: node(), source }),
            Err(_) => Err(ServiceError::TooSlow { what: "login", limit }),
        }
    }

    /// Runs one statement and returns its rows. After a time-out or a broken connection nothing more can be asked.
    pub(crate) async fn rows(&mut self, sql: &str, limit: Duration) -> Result<Vec<Row>, ServiceError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(ServiceError::Broken);
        }
        match timeout(limit, query(&mut self.stream, sql)).await {
            Ok(answer) => {
                self.broken = answer.as_ref().is_err_and(|error| !error.leaves_it_usable());
                Ok(answer?)
            }
            Err(_) => Err(ServiceError::TooSlow { what: "query", limit }),
        }
    }

    /// Whether nothing more can be asked.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// The server's version as it greets.
    pub(crate) fn version(&self) -> &str {
        &self.accepted.version
    }

    /// The stream, between two commands, for what is no query (a binlog dump).
    pub(crate) fn into_stream(self) -> DoorStream {
        self.stream
    }
}
