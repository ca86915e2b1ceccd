//! Opens agent sessions over the unix socket.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::{Conn, Opts, OptsBuilder};
use tokio::time::timeout;

use crate::error::SqlError;
use crate::layout::Layout;
use crate::relay_logs::RelayLogs;
use crate::secrets::Account;
use crate::session::Session;

/// How long an idle agent session is kept by the server: longer than any pause of ours.
const IDLE_SECONDS: usize = 7 * 24 * 3600;

/// Knows the socket, the account, and the files behind the server.
#[derive(Clone)]
pub struct Connector {
    socket: PathBuf,
    opts: Opts,
    relay_logs: Arc<RelayLogs>,
}

impl Connector {
    /// Sessions of `account` on the server that `layout` describes.
    #[must_use]
    pub fn new(layout: &Layout, account: &Account) -> Self {
        let socket = layout.socket().to_owned();
        let opts = OptsBuilder::default()
            .socket(Some(socket.display().to_string()))
            .user(Some(account.user.clone()))
            .pass(Some(account.password.reveal().to_owned()))
            // Given here, so that the driver does not spend a round trip on asking.
            .max_allowed_packet(Some(16 * 1024 * 1024))
            .wait_timeout(Some(IDLE_SECONDS))
            .prefer_socket(false)
            .setup(vec![format!(
                "SET SESSION wait_timeout={IDLE_SECONDS}, sql_mode='STRICT_TRANS_TABLES'"
            )]);
        Self {
            socket,
            opts: opts.into(),
            relay_logs: RelayLogs::of(layout.datadir()),
        }
    }

    /// The server's relay logs.
    #[must_use]
    pub const fn relay_logs(&self) -> &Arc<RelayLogs> {
        &self.relay_logs
    }

    /// Opens a session.
    ///
    /// # Errors
    /// Nobody listens, the account is refused, or the limit passes.
    pub async fn connect(&self, limit: Duration) -> Result<Session, SqlError> {
        match timeout(limit, Conn::new(self.opts.clone())).await {
            Ok(Ok(conn)) => Ok(Session::new(conn, self.relay_logs.clone())),
            Ok(Err(source)) => Err(SqlError::Connect {
                socket: self.socket.clone(),
                source,
            }),
            Err(_) => Err(SqlError::ConnectTimeout {
                socket: self.socket.clone(),
                after: limit,
            }),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
